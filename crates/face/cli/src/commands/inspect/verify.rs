//! `defib inspect verify`.

use defib_session::inspect::{Engine, Hash, Trust};

use super::{Form, Source};
use crate::error::CliError;
use crate::{exit, output};

/// Say how far a snapshot or database can be trusted
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let dead = args.source.open()?;
    let said = dead.verify();
    match args.source.output {
        Form::Json => output::json(&said)?,
        Form::Yaml => output::yaml(&said)?,
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
            if said.trust == Trust::Damaged
                && let Some(more) = super::more(&dead)
            {
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
