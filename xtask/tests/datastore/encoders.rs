//! What Kubernetes' own encoders write, decoded and compared with what they print.
//! Deliberately absent: a server, which adds defaults and conversions of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use defib_formats::kubernetes::{decode, head, kinds, walk};
use libtest_mimic::Failed;
use serde_json::Value;
use xtask::protos;

use crate::Outcome;
use crate::equal::{Compared, compare};

pub fn the_table_is_fresh() -> Outcome {
    protos::generate(true)?;
    Ok(())
}

/// Decodes a value and compares.
fn compared(value: &[u8], theirs: &Value) -> Result<Compared, String> {
    let mut out = Vec::new();
    let decoded = decode(value, &mut out).map_err(|e| e.to_string())?;
    if !decoded.known || !decoded.remarks.is_empty() {
        return Err(format!("not all was understood: {decoded:?}"));
    }
    let walked = walk(value).map_err(|e| format!("walked: {e}"))?;
    if (walked.api_version.as_ref(), walked.kind.as_ref()) != (&decoded.api_version, &decoded.kind)
    {
        return Err(format!("walked to something else: {walked:?}"));
    }
    let head = head(value).map_err(|e| format!("named: {e}"))?;
    let name = theirs.pointer("/metadata/name").and_then(Value::as_str);
    if head.name != name.unwrap_or_default() {
        return Err(format!("named {head:?}"));
    }
    let ours = serde_json::from_slice(&out).map_err(|e| e.to_string())?;
    Ok(compare(&ours, theirs))
}

/// Sums up: every kind has samples, and all of each are equal.
fn judged(what: &str, results: BTreeMap<String, Vec<Result<Compared, String>>>) -> Outcome {
    let (mut fields, mut objects, mut wrong) = (0, 0, Vec::new());
    for (kind, samples) in &results {
        for sample in samples {
            objects += 1;
            match sample {
                Ok(compared) => {
                    fields += compared.equal;
                    let first = compared.different.iter().take(3);
                    wrong.extend(first.map(|line| format!("{kind}{line}")));
                }
                Err(why) => wrong.push(format!("{kind}: {why}")),
            }
        }
    }
    eprintln!(
        "{what}: {} kinds, {objects} objects, {fields} fields equal, {} not",
        results.len(),
        wrong.len()
    );
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.truncate(30);
    Err(wrong.join("\n").into())
}

/// Kubernetes' own example of each kind, in protobuf.
fn fixtures() -> Result<Vec<PathBuf>, Failed> {
    let entries = fs::read_dir(protos::fixtures()?)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "pb"));
    Ok(paths)
}

pub fn fixtures_of_every_kind_decode_equal() -> Outcome {
    let mut results: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let known: Vec<_> = kinds().collect();
    for path in fixtures()? {
        let theirs: Value = serde_json::from_slice(&fs::read(path.with_extension("json"))?)?;
        let word = |key: &str| {
            theirs
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api_version, kind) = (word("apiVersion"), word("kind"));
        // Requests' options and reviews have no metadata and are never stored.
        if known.contains(&(api_version.as_str(), kind.as_str())) {
            let result = compared(&fs::read(&path)?, &theirs);
            results
                .entry(format!("{api_version} {kind}"))
                .or_default()
                .push(result);
        }
    }
    assert!(results.len() > 140, "only {} kinds", results.len());
    judged("fixtures", results)
}

pub fn random_objects_of_every_kind_decode_equal() -> Outcome {
    let mut results: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for line in protos::samples()?.lines() {
        let sample: Value = serde_json::from_str(line)?;
        let text = |key: &str| sample.get(key).and_then(Value::as_str).unwrap_or_default();
        let theirs = sample.get("json").cloned().unwrap_or_default();
        let all = results
            .entry(format!("{} {}", text("apiVersion"), text("kind")))
            .or_default();
        for encoding in ["protobuf", "cbor"] {
            all.push(compared(&STANDARD.decode(text(encoding))?, &theirs));
        }
        all.push(compared(theirs.to_string().as_bytes(), &theirs));
    }
    assert_eq!(results.len(), kinds().count());
    judged("random objects", results)
}

/// How many bytes lie between two that are damaged.
const STRIDE: usize = 23;

/// Cut at a byte, or that byte changed: an error or JSON, and never a panic. One byte of each few, others in
/// each file, since the files are much alike.
pub fn fixtures_cut_and_changed_are_survived() -> Outcome {
    let (mut errors, mut decoded) = (0, 0);
    let mut out = Vec::new();
    for (number, path) in fixtures()?.into_iter().enumerate() {
        let mut value = fs::read(&path)?;
        for at in (number % STRIDE..value.len()).step_by(STRIDE) {
            let byte = value[at];
            for change in [None, Some(byte ^ 0x01), Some(byte ^ 0x80), Some(0xff)] {
                let damaged = match change {
                    None => &value[..at],
                    Some(change) => {
                        value[at] = change;
                        &value[..]
                    }
                };
                out.clear();
                let walked = walk(damaged);
                let named = head(damaged);
                match decode(damaged, &mut out) {
                    Ok(found) => {
                        decoded += 1;
                        let well = named.is_ok() && (walked.is_ok() || !found.known);
                        assert!(well, "{}: {at}: {walked:?} {named:?}", path.display());
                        serde_json::from_slice::<serde::de::IgnoredAny>(&out)?;
                    }
                    Err(_) => {
                        errors += 1;
                        assert!(out.is_empty(), "{}: {at}", path.display());
                    }
                }
                value[at] = byte;
            }
        }
    }
    eprintln!("damaged fixtures: {errors} refused, {decoded} decoded");
    assert!(errors > 0 && decoded > 0);
    Ok(())
}
