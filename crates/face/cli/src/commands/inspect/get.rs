//! `defib inspect get`.

use std::path::PathBuf;

use clap::ValueEnum;
use defib_model::text::Word;
use defib_session::inspect::{Target, ValueError};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::{exit, output};

/// Show one object, or all of a kind, as the API server would have
///
/// Values of Secrets, and whatever else looks like one, are hidden unless --show-secrets is given.
#[derive(clap::Args)]
pub struct Args {
    /// The snapshot, database or folder.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// KIND, KIND/NAME, or a whole key as the datastore has it.
    #[arg(value_name = "WHAT")]
    what: String,
    /// The namespace; without it every namespace is looked through.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// As it was at this revision.
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// The form of the answer.
    #[arg(short, long, value_name = "FORM", default_value = "yaml")]
    output: Form,
    #[command(flatten)]
    unlock: super::Unlock,
    /// Show what is secret, too.
    #[arg(long)]
    show_secrets: bool,
    /// Show who manages which field, too.
    #[arg(long)]
    show_managed_fields: bool,
}

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Yaml,
    Json,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let dead = args.unlock.open(&args.file)?;
    let (target, list) = dead.find(&args.what, args.namespace.as_deref(), args.revision);
    if let Some(revision) = args.revision
        && revision < dead.compacted()
    {
        super::tell(&format!(
            "history up to revision {} is compacted away: what was deleted or changed before it can't be seen",
            dead.compacted()
        ));
    }
    let (mut objects, mut hidden, mut unread) = (Vec::new(), 0, 0);
    let mut sealed = false;
    for item in list.items().filter(|item| target.is(item.key)) {
        match dead.object(item.place, item.revision, args.show_secrets) {
            Ok(mut object) => {
                if !args.show_managed_fields
                    && let Some(Value::Object(metadata)) = object.value.get_mut("metadata")
                {
                    metadata.remove("managedFields");
                }
                hidden += object.hidden;
                for remark in &object.remarks {
                    super::tell(&format!("{}: {remark}", item.key));
                }
                objects.push(object.value);
            }
            Err(why) => {
                unread += 1;
                super::tell(&format!("{} can't be shown: {why}", item.key));
                if let ValueError::Encrypted { .. } = why {
                    sealed = true;
                }
            }
        }
    }
    if objects.is_empty() && unread == 0 {
        super::judged(
            &dead,
            &args.file,
            list.index.walked.damages,
            "what was asked for",
        );
        return Err(nothing(args, &dead));
    }
    let answer = match (&target, objects.len()) {
        (Target::Object(..) | Target::Key(_), 1) => objects.pop().unwrap_or(Value::Null),
        _ => json!({"apiVersion": "v1", "kind": "List", "items": objects}),
    };
    match args.output {
        Form::Yaml => output::yaml(&answer)?,
        Form::Json => output::json(&answer)?,
    }
    if sealed {
        super::tell(
            "its key is in server/cred/encryption-config.json (--encryption-config) and in the bootstrap record (--token-file)",
        );
    }
    if hidden > 0 {
        super::tell(&format!(
            "{hidden} values are hidden; --show-secrets shows them"
        ));
    }
    let code = super::judged(&dead, &args.file, list.index.walked.damages, "objects");
    Ok(if unread > 0 { exit::UNKNOWN } else { code })
}

/// Nothing of that name lives; what may have been meant.
fn nothing(args: &Args, dead: &defib_session::inspect::Dead) -> CliError {
    let within = match &args.namespace {
        Some(namespace) => format!(" in namespace {namespace}"),
        None => String::new(),
    };
    let failure = CliError::new(format!(
        "nothing called {}{within} lives in {}",
        args.what,
        args.file.display()
    ));
    let gone = dead.find_keys(&args.what, args.namespace.as_deref());
    match gone.first() {
        Some(key) => failure.hint(format!(
            "it was deleted, and its history is there: defib inspect history {} {}",
            super::word(&args.file),
            Word(key)
        )),
        None => failure.hint(format!(
            "see what there is: defib inspect ls {}",
            super::word(&args.file)
        )),
    }
}
