//! `defib inspect ls`.

use std::io::Write;

use defib_session::inspect::{Item, Wanted};

use super::{Form, Source};
use crate::error::CliError;
use crate::exit;

/// List every live object and key
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Only this kind, as kubectl would take it: pod, pods, po, certificates.cert-manager.io.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only this namespace.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Only keys that begin so.
    #[arg(long, value_name = "KEY", default_value = "")]
    prefix: String,
    /// As it was at this revision.
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

/// A cell, as wide as its column, and the space behind it.
fn cell(line: &mut Vec<u8>, text: &str, width: usize) {
    let text = super::clean(text);
    line.extend_from_slice(text.as_bytes());
    let length = match text.is_ascii() {
        true => text.len(),
        false => text.chars().count(),
    };
    line.resize(line.len() + width.saturating_sub(length) + 2, b' ');
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let dead = args.source.open()?;
    let list = dead.list(&Wanted {
        kind: args.kind.clone(),
        namespace: args.namespace.clone(),
        prefix: args.prefix.clone(),
        revision: args.revision,
        ..Wanted::default()
    });
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut shown = 0u64;
    match args.source.place.output {
        Form::Text => {
            let (mut kind, mut namespace, mut name) =
                ("KIND".len(), "NAMESPACE".len(), "NAME".len());
            let widths = |items: &mut dyn Iterator<Item = Item<'_>>| {
                items.fold((0, 0, 0), |(k, ns, n), item| {
                    let of = |text: &str, known: usize| known.max(text.len());
                    (of(item.kind, k), of(item.namespace, ns), of(item.name, n))
                })
            };
            list.in_runs(widths, |(k, ns, n)| -> std::io::Result<()> {
                (kind, namespace, name) = (kind.max(k), namespace.max(ns), name.max(n));
                Ok(())
            })?;
            // One very long key must not push all others off the screen.
            let (kind, namespace, name) = (kind.min(40), namespace.min(63), name.min(80));
            writeln!(
                out,
                "{:<kind$}  {:<namespace$}  {:<name$}  {:>9}  {:>6}  {:>8}",
                "KIND", "NAMESPACE", "NAME", "REVISION", "WRITES", "BYTES"
            )?;
            let lines = |items: &mut dyn Iterator<Item = Item<'_>>| -> std::io::Result<_> {
                let (mut count, mut lines) = (0u64, Vec::new());
                for item in items {
                    count += 1;
                    cell(&mut lines, item.kind, kind);
                    cell(&mut lines, item.namespace, namespace);
                    cell(&mut lines, item.name, name);
                    writeln!(
                        lines,
                        "{:>9}  {:>6}  {:>8}",
                        item.revision, item.writes, item.bytes
                    )?;
                }
                Ok((count, lines))
            };
            list.in_runs(lines, |run| -> std::io::Result<()> {
                let (count, lines) = run?;
                shown += count;
                out.write_all(&lines)
            })?;
        }
        Form::Json => {
            // Written as it is found: there may be a hundred thousand.
            out.write_all(b"[")?;
            for item in list.items() {
                out.write_all(if shown == 0 { b"\n  " } else { b",\n  " })?;
                shown += 1;
                let line = serde_json::to_string(&item)
                    .map_err(|e| CliError::new(format!("cannot write JSON: {e}")))?;
                out.write_all(defib_render::json::safe(&line).as_bytes())?;
            }
            out.write_all(b"\n]\n")?;
        }
        Form::Yaml => {
            for item in list.items() {
                shown += 1;
                let value = serde_json::to_value([item])
                    .map_err(|e| CliError::new(format!("cannot write YAML: {e}")))?;
                out.write_all(defib_render::yaml::write(&value).as_bytes())?;
            }
        }
    }
    out.flush()?;
    let damage = list.index.walked.damages;
    super::tell(&format!(
        "{shown} of {} live keys in {} at revision {}, {} deleted ones still in its history",
        list.index.len(),
        list.engine,
        list.index.revision,
        list.index.deleted()
    ));
    let code = super::judged(&dead, &args.source.place.file, damage, "keys");
    if code != exit::HEALTHY {
        return Ok(code);
    }
    if dead.has_changed() {
        super::tell("the file was written to while it was read, so keys may be missing");
        return Ok(exit::UNKNOWN);
    }
    Ok(exit::HEALTHY)
}
