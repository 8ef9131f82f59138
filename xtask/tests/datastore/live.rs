//! What a living control plane has in its etcd, decoded and compared with what its API server prints.
//!
//! Deliberately absent: exceptions. Every field of every object has to be equal, managed fields and the
//! resource version included.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use defib_formats::kubernetes::{DecodeError, Decoded, decode_served, head, walk};
use serde_json::Value;
use xtask::lab::{ControlPlane, Options, wait_until};

use crate::Outcome;
use crate::equal::compare;

const MANIFESTS: &str = include_str!("manifests.yaml");
const ALPHA: &str = include_str!("alpha.yaml");
const CUSTOM: &str = include_str!("custom.yaml");

const PATIENCE: Duration = Duration::from_secs(60);

/// How often an object that changes meanwhile is read again.
const ATTEMPTS: usize = 8;

/// Keys that no API serves, and why.
const UNSERVED: &[(&str, &str)] = &[
    ("/registry/ranges/", "the allocators' bitmaps"),
    ("/registry/masterleases/", "the API servers' own addresses"),
    (
        "/registry/peerserverleases/",
        "the API servers' own addresses, for each other",
    ),
];

/// One key of etcd.
struct Stored {
    key: String,
    revision: u64,
    value: Vec<u8>,
}

/// What was found of one kind.
#[derive(Default)]
struct Row {
    objects: usize,
    equal: usize,
    encodings: BTreeSet<String>,
}

pub fn a_server_prints_what_is_decoded() -> Outcome {
    judged(
        Options {
            kwok: true,
            ..Options::default()
        },
        &[],
    )
}

/// Every version and feature there is: further kinds and fields, and custom resources in CBOR.
pub fn a_server_with_all_features_prints_what_is_decoded() -> Outcome {
    let flags = [
        "--runtime-config=api/all=true",
        "--feature-gates=AllAlpha=true,AllBeta=true",
    ];
    let apiserver = flags.map(str::to_owned).to_vec();
    judged(
        Options {
            kwok: true,
            apiserver,
            ..Options::default()
        },
        &[ALPHA],
    )
}

fn judged(options: Options, further: &[&str]) -> Outcome {
    let mut plane = ControlPlane::start(options)?;
    fill(&mut plane, further)?;
    let mut resources = Resources::default();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut wrong = Vec::new();
    for stored in keys(&plane, &["--prefix", "/registry/"])? {
        if UNSERVED
            .iter()
            .any(|(front, _)| stored.key.starts_with(front))
        {
            decoded(&stored).map_err(|e| format!("{}: {e}", stored.key))?;
            continue;
        }
        match against_server(&plane, &mut resources, stored, &mut rows) {
            Ok(mut lines) => wrong.append(&mut lines),
            Err(why) => wrong.push(why),
        }
    }
    print(&rows);
    let missing = missing(&plane, &rows)?;
    if !missing.is_empty() {
        wrong.push(format!("nothing of these kinds was stored: {missing:?}"));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.truncate(60);
    Err(wrong.join("\n").into())
}

/// Makes the objects, and waits until controllers have filled in what they fill in.
fn fill(plane: &mut ControlPlane, further: &[&str]) -> Outcome {
    // Admission refuses some until what they refer to is known to it: a priority class, a runtime class.
    let applied = |text: &str| {
        wait_until("the manifests are accepted", PATIENCE, || {
            plane.apply(text).map_err(|e| e.to_string())
        })
    };
    applied(MANIFESTS)?;
    for text in further {
        applied(text)?;
    }
    applied(CUSTOM)?;
    wait_until("the deployment is available", PATIENCE, || {
        let query = [
            "get",
            "deployment",
            "web",
            "-n",
            "shop",
            "-o",
            "jsonpath={.status.availableReplicas}",
        ];
        match plane.kubectl_text(&query) {
            Ok(count) if count == "2" => Ok(()),
            said => Err(format!("{said:?}")),
        }
    })?;
    Ok(())
}

/// Keys as etcdctl gives them.
fn keys(plane: &ControlPlane, query: &[&str]) -> Result<Vec<Stored>, String> {
    let arguments = [&["get", "-w", "json"], query].concat();
    let answer = plane.etcdctl(&arguments).map_err(|e| e.to_string())?;
    let answer: Value = serde_json::from_str(&answer).map_err(|e| e.to_string())?;
    let bytes = |kv: &Value, name: &str| {
        let text = kv.get(name).and_then(Value::as_str).unwrap_or_default();
        STANDARD.decode(text).map_err(|e| e.to_string())
    };
    let kvs = answer.get("kvs").and_then(Value::as_array);
    kvs.into_iter()
        .flatten()
        .map(|kv| {
            Ok(Stored {
                key: String::from_utf8_lossy(&bytes(kv, "key")?).into_owned(),
                revision: kv.get("mod_revision").and_then(Value::as_u64).unwrap_or(0),
                value: bytes(kv, "value")?,
            })
        })
        .collect()
}

fn decoded(stored: &Stored) -> Result<(Decoded, Value), String> {
    let mut out = Vec::new();
    let said = |e: DecodeError| e.to_string();
    let decoded = decode_served(&stored.value, Some(stored.revision), &mut out).map_err(said)?;
    if !decoded.known || !decoded.remarks.is_empty() {
        return Err(format!("not all was understood: {decoded:?}"));
    }
    walk(&stored.value).map_err(said)?;
    let json = serde_json::from_slice(&out).map_err(|e| e.to_string())?;
    Ok((decoded, json))
}

/// Compares one object; the lines say what differs.
fn against_server(
    plane: &ControlPlane,
    resources: &mut Resources,
    stored: Stored,
    rows: &mut BTreeMap<String, Row>,
) -> Result<Vec<String>, String> {
    let key = stored.key.clone();
    let at = |why: String| format!("{key}: {why}");
    let mut stored = Some(stored);
    for _ in 0..ATTEMPTS {
        let Some(now) = stored.take() else {
            // Deleted meanwhile.
            return Ok(Vec::new());
        };
        let (decoded, ours) = decoded(&now).map_err(at)?;
        let head = head(&now.value).map_err(|e| at(e.to_string()))?;
        let path = resources
            .path(plane, &decoded, &head.namespace, &head.name)
            .map_err(at)?;
        let answer = plane.api().get(&path).map_err(|e| at(e.to_string()))?;
        let theirs: Value = serde_json::from_str(&answer.body).map_err(|e| at(e.to_string()))?;
        let version = |json: &Value| json.pointer("/metadata/resourceVersion").cloned();
        if answer.status == 404 || version(&ours) != version(&theirs) {
            stored = keys(plane, &[&key])?.pop();
            continue;
        }
        let compared = compare(&ours, &theirs);
        let row = rows
            .entry(format!("{} {}", decoded.api_version, decoded.kind))
            .or_default();
        row.objects += 1;
        row.equal += compared.equal;
        row.encodings.insert(decoded.encoding.to_string());
        return Ok(compared.different.into_iter().map(at).collect());
    }
    Err(at("it never stood still".to_owned()))
}

/// Which kind is served where.
#[derive(Default)]
struct Resources {
    by_version: BTreeMap<String, Vec<Value>>,
}

impl Resources {
    fn path(
        &mut self,
        plane: &ControlPlane,
        decoded: &Decoded,
        namespace: &str,
        name: &str,
    ) -> Result<String, String> {
        let version = &decoded.api_version;
        let front = if version.contains('/') { "apis" } else { "api" };
        if !self.by_version.contains_key(version) {
            let list = plane.api().get_json(&format!("/{front}/{version}"));
            let list = list.map_err(|e| e.to_string())?;
            let list = list.get("resources").and_then(Value::as_array).cloned();
            self.by_version
                .insert(version.clone(), list.unwrap_or_default());
        }
        let plural = self
            .by_version
            .get(version)
            .into_iter()
            .flatten()
            .find_map(|resource| {
                let name = resource.get("name")?.as_str()?;
                let fits = resource.get("kind")?.as_str()? == decoded.kind && !name.contains('/');
                fits.then(|| name.to_owned())
            });
        let plural = plural.ok_or_else(|| format!("{version} {} is not served", decoded.kind))?;
        let within = match namespace {
            "" => String::new(),
            namespace => format!("namespaces/{namespace}/"),
        };
        Ok(format!("/{front}/{version}/{within}{plural}/{name}"))
    }
}

/// Kinds that can be listed and created, and of which nothing was compared.
fn missing(plane: &ControlPlane, rows: &BTreeMap<String, Row>) -> Result<Vec<String>, String> {
    let seen: BTreeSet<&str> = rows
        .keys()
        .filter_map(|row| row.split(' ').nth(1))
        .collect();
    let query = ["api-resources", "--verbs=create,get", "--no-headers"];
    let listed = plane.kubectl_text(&query).map_err(|e| e.to_string())?;
    Ok(listed
        .lines()
        .filter(|line| {
            !line
                .split_whitespace()
                .last()
                .is_some_and(|kind| seen.contains(kind))
        })
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

fn print(rows: &BTreeMap<String, Row>) {
    let line = |kind: &str, objects, equal, stored: &str| {
        eprintln!("{kind:<66} {objects:>7} {equal:>8}  {stored}");
    };
    eprintln!();
    eprintln!(
        "{:<66} objects   fields  stored as",
        "kind, all fields equal"
    );
    for (kind, row) in rows {
        let encodings: Vec<_> = row.encodings.iter().map(String::as_str).collect();
        line(kind, row.objects, row.equal, &encodings.join(", "));
    }
    let sum = |count: fn(&Row) -> usize| rows.values().map(count).sum::<usize>();
    let all = format!("{} kinds", rows.len());
    line(&all, sum(|row| row.objects), sum(|row| row.equal), "");
}
