//! `defib inspect verify`.

use defib_session::inspect::{Dead, Depth, Engine, Further, Hash, Trust, Verification};
use serde::Serialize;

use super::{Form, Source};
use crate::error::CliError;
use crate::{exit, output};

/// Say how far a snapshot or database can be trusted
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Decode every value whole, instead of checking its form.
    #[arg(long)]
    decode: bool,
    /// The quota of etcd, against which its size is shown: 8GiB, 500MB, or bytes.
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = super::bytes)]
    quota: u64,
}

/// The verdict, and what is asked beside it.
#[derive(Serialize)]
struct Said<'s> {
    #[serde(flatten)]
    verdict: &'s Verification,
    #[serde(flatten)]
    further: &'s Further,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let dead = args.source.open_to_verify()?;
    let how = if args.decode {
        Depth::Decoded
    } else {
        Depth::Wire
    };
    let said = dead.verify_by(how);
    let further = dead.further(args.quota);
    let both = Said {
        verdict: &said,
        further: &further,
    };
    match args.source.place.output {
        Form::Json => output::json(&both)?,
        Form::Yaml => output::yaml(&both)?,
        Form::Text => {
            let mut text = format!(
                "{}: {}\n",
                super::clean(&dead.path.display().to_string()),
                said.trust
            );
            text.push_str(&match &said.hash {
                Hash::Right { sha256 } => format!("  hash       sha256 {sha256} is right\n"),
                Hash::Wrong { expected, found } => {
                    format!("  hash       WRONG: sha256 of its bytes is {found},\n             behind them stands {expected}\n")
                }
                Hash::Absent if dead.engine() == Engine::Kine => {
                    "  hash       none: SQLite keeps none, so bytes may have changed unseen\n".into()
                }
                Hash::Absent => {
                    "  hash       none: a member's own file has none, only a snapshot does\n".into()
                }
                Hash::Unread { why } => format!("  hash       not known: {why}\n"),
            });
            text.push_str(&format!(
                "  structure  {} of {} pages in use, {} rows, latest revision {}\n",
                said.pages.0, said.pages.1, said.rows, said.revision
            ));
            let values: Vec<String> = said
                .values
                .iter()
                .map(|(f, n)| format!("{n} {f}"))
                .collect();
            text.push_str(&format!("  values     {}\n", values.join(", ")));
            text.push_str(&more(&dead, &said, &further));
            for check in said.damage.iter().take(10) {
                let place = match check.offset {
                    0 => String::new(),
                    at => format!("at byte {at}: "),
                };
                text.push_str(&format!(
                    "  DAMAGE     {place}{}\n",
                    super::clean(&check.what)
                ));
            }
            let more = said.damages.saturating_sub(10);
            if more > 0 {
                text.push_str(&format!(
                    "  DAMAGE     and {more} more places (-o json lists a hundred)\n"
                ));
            }
            if let Some(more) = super::more(&dead, said.damages) {
                text.push_str(&format!("  hint       {more}\n"));
            }
            for note in &said.notes {
                text.push_str(&format!("  note       {}\n", super::clean(note)));
            }
            output::text(&text)?;
        }
    }
    Ok(match said.trust {
        Trust::Verified => exit::HEALTHY,
        Trust::Damaged => exit::PROBLEMS,
        Trust::Readable | Trust::Unknown => exit::UNKNOWN,
    })
}

/// The lines beside the verdict.
fn more(dead: &Dead, said: &Verification, further: &Further) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    match (&further.opened_by, &further.opened_by_unknown) {
        (Some(by), _) => lines.push(("opened by", by.clone())),
        (None, Some(why)) => lines.push(("opened by", format!("unknown: {why}"))),
        (None, None) => {}
    }
    let newest = match &further.newest_write {
        Some(time) => format!("not before {time}"),
        None => "of an unknown time: no object of the last revisions names one".into(),
    };
    lines.push(("last write", newest));
    let hashes = said.bootstrap.join(", ");
    lines.push(match hashes.as_str() {
        "" if said.damages > 0 => (
            "bootstrap",
            "no k3s bootstrap record was found; one may stand where it is damaged".into(),
        ),
        "" => ("bootstrap", "no k3s bootstrap record".into()),
        hashes => (
            "bootstrap",
            format!("a k3s record for the token with the hash {hashes}"),
        ),
    });
    if !further.learners.is_empty() {
        lines.push(("learners", further.learners.join(", ")));
    }
    if !further.removed.is_empty() {
        lines.push(("removed", further.removed.join(", ")));
    }
    if let Some(quota) = further.quota {
        let full = if quota.is_full {
            ": FULL, etcd takes no more writes"
        } else {
            ""
        };
        lines.push((
            "size",
            format!(
                "{} of a quota of {} ({:.1}%){full}",
                super::size(quota.bytes),
                super::size(quota.of),
                100.0 * quota.bytes as f64 / quota.of.max(1) as f64
            ),
        ));
    }
    if dead.is_salvaged() {
        lines.retain(|(what, _)| *what != "opened by");
    }
    let line = |(what, text): (&str, String)| format!("  {what:<10} {}\n", super::clean(&text));
    lines.into_iter().map(line).collect()
}
