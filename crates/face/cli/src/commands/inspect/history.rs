//! `defib inspect history`.

use defib_model::text::Word;
use defib_session::inspect::Wanted;

use super::{Form, Source, shown};
use crate::error::CliError;
use crate::output;

/// Show every write of one object that the datastore still has
///
/// An object that was deleted is there until history is compacted (every five minutes on a living cluster),
/// and can be had back: defib inspect get FILE WHAT --revision N
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// KIND/NAME, or a whole key as the datastore has it.
    #[arg(value_name = "WHAT")]
    what: String,
    /// The namespace; without it every namespace is looked through.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Show what is secret, too.
    #[arg(long)]
    show_secrets: bool,
}

/// Changed fields that are shown of one write.
const SHOWN: usize = 12;

pub fn run(args: &Args) -> Result<u8, CliError> {
    let dead = args.source.open()?;
    let keys = dead.find_keys(&args.what, args.namespace.as_deref());
    let key = match keys.as_slice() {
        [key] => key,
        [] => {
            let damages = dead.list(&Wanted::default()).index.walked.damages;
            super::judged(
                &dead,
                &args.source.place.file,
                damages,
                "what was asked for",
            );
            return Err(CliError::new(format!(
                "nothing called {} is or was in {}",
                args.what,
                args.source.place.file.display()
            ))
            .hint(format!(
                "see what there is: defib inspect ls {}",
                super::word(&args.source.place.file)
            )));
        }
        several => {
            let mut failure = CliError::new(format!("{} means {} keys", args.what, several.len()));
            for key in several.iter().take(5) {
                failure = failure.hint(format!(
                    "defib inspect history {} {}",
                    super::word(&args.source.place.file),
                    Word(key)
                ));
            }
            return Err(failure);
        }
    };
    let said = dead.history(key, args.show_secrets);
    match args.source.place.output {
        Form::Json => output::json(&said)?,
        Form::Yaml => output::yaml(&said)?,
        Form::Text => {
            let mut text = format!("{}\n", super::clean(&said.key));
            for step in &said.steps {
                text.push_str(&format!("  {:>9}  {}", step.revision, step.what));
                if step.bytes > 0 {
                    text.push_str(&format!(", {} bytes", step.bytes));
                }
                if let Some(time) = &step.not_before {
                    text.push_str(&format!(", not before {}", super::clean(time)));
                }
                text.push('\n');
                if let Some(why) = &step.unread {
                    text.push_str(&format!(
                        "             can't be shown: {}\n",
                        super::clean(why)
                    ));
                }
                for change in step.changes.iter().take(SHOWN) {
                    text.push_str(&format!("             {}\n", shown(change)));
                }
                let more = step.changes.len().saturating_sub(SHOWN);
                if more > 0 {
                    text.push_str(&format!("             and {more} more fields (-o json)\n"));
                }
            }
            if said.compacted > 0 {
                text.push_str(&format!(
                    "history up to revision {} is compacted away\n",
                    said.compacted
                ));
            }
            output::text(&text)?;
        }
    }
    if said.hidden > 0 {
        super::tell("values that are secret are hidden; --show-secrets shows them");
    }
    let file = &args.source.place.file;
    Ok(super::judged(&dead, file, said.damages, "writes"))
}
