//! `defib inspect diff`.

use std::io::Write;
use std::path::PathBuf;

use defib_session::inspect::{How, Wanted, differences};

use super::{Form, shown};
use crate::error::CliError;
use crate::exit;

/// Show what changed between two files, or two revisions of one
///
/// Leases and events are left out, which change all the time; --kind asks for them.
#[derive(clap::Args)]
pub struct Args {
    /// The older snapshot, database or folder.
    #[arg(value_name = "FILE")]
    old: PathBuf,
    /// The newer one; without it two revisions of the first are compared.
    #[arg(value_name = "NEWER")]
    new: Option<PathBuf>,
    /// The older state, as it was at this revision.
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// The newer state, as it was at this revision.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Only this kind.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only this namespace.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The form of the answer.
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    output: Form,
    /// Show what is secret, too.
    #[arg(long)]
    show_secrets: bool,
    #[command(flatten)]
    unlock: super::Unlock,
}

/// Changed fields that are shown of one object.
const SHOWN: usize = 8;

pub fn run(args: &Args) -> Result<u8, CliError> {
    if args.new.is_none() && args.from.is_none() {
        return Err(CliError::new("there is nothing to compare with")
            .hint("two files:      defib inspect diff YESTERDAY TODAY")
            .hint("two revisions:  defib inspect diff FILE --from N [--to M]"));
    }
    let old = args.unlock.open(&args.old)?;
    let other = args
        .new
        .as_deref()
        .map(|path| args.unlock.open(path))
        .transpose()?;
    let new = other.as_ref().unwrap_or(&old);
    let wanted = |revision| Wanted {
        kind: args.kind.clone(),
        namespace: args.namespace.clone(),
        revision,
        ..Wanted::default()
    };
    if let Some(from) = args.from
        && from < old.compacted()
    {
        super::tell(&format!(
            "history up to revision {} is compacted away: what was deleted or changed before it can't be seen",
            old.compacted()
        ));
    }
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let (mut added, mut removed, mut changed, mut busy) = (0u64, 0u64, 0u64, 0u64);
    let (from, to) = (wanted(args.from), wanted(args.to));
    if args.output == Form::Json {
        out.write_all(b"[")?;
    }
    let damages = differences((&old, &from), (new, &to), args.show_secrets, |d| {
        if args.kind.is_none() && matches!(d.kind.as_str(), "Lease" | "Event") {
            busy += 1;
            return Ok(());
        }
        let first = added + removed + changed == 0;
        let mark = match d.how {
            How::Added => {
                added += 1;
                '+'
            }
            How::Removed => {
                removed += 1;
                '-'
            }
            How::Changed => {
                changed += 1;
                '~'
            }
        };
        match args.output {
            Form::Json => {
                out.write_all(if first { b"\n  " } else { b",\n  " })?;
                let line = serde_json::to_string(&d)
                    .map_err(|e| CliError::new(format!("cannot write JSON: {e}")))?;
                out.write_all(defib_render::json::safe(&line).as_bytes())?;
            }
            Form::Yaml => {
                let value = serde_json::to_value([&d])
                    .map_err(|e| CliError::new(format!("cannot write YAML: {e}")))?;
                out.write_all(defib_render::yaml::write(&value).as_bytes())?;
            }
            Form::Text => {
                let name = match (d.name.as_str(), d.namespace.as_str()) {
                    ("", _) => d.key.clone(),
                    (name, "") => format!("{} {name}", d.kind),
                    (name, namespace) => format!("{} {namespace}/{name}", d.kind),
                };
                writeln!(out, "{mark} {}", super::clean(&name))?;
                if let Some(why) = &d.unread {
                    writeln!(out, "    can't be shown: {}", super::clean(why))?;
                }
                for change in d.changes.iter().take(SHOWN) {
                    writeln!(out, "    {}", shown(change))?;
                }
                let more = d.changes.len().saturating_sub(SHOWN);
                if more > 0 {
                    writeln!(out, "    and {more} more fields (-o json)")?;
                }
            }
        }
        Ok::<(), CliError>(())
    })?;
    if args.output == Form::Json {
        out.write_all(b"\n]\n")?;
    }
    out.flush()?;
    super::tell(&format!(
        "{added} added, {removed} removed, {changed} changed"
    ));
    if busy > 0 {
        super::tell(&format!(
            "{busy} leases and events differ, and are left out; --kind shows them"
        ));
    }
    if damages > 0 {
        super::tell(
            "parts of the files are damaged, so this may be wrong: defib inspect verify FILE",
        );
        return Ok(exit::UNKNOWN);
    }
    Ok(exit::HEALTHY)
}
