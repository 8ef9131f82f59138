//! `defib version`.

use clap::ValueEnum;
use serde::Serialize;

use crate::error::CliError;
use crate::exit;
use crate::output;

/// Build, schemas and counts
#[derive(clap::Args)]
pub struct Args {
    /// Form of the result.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// All of it.
    Json,
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    target: &'static str,
    schemas: Schemas,
    rules: usize,
    classes: usize,
    signals: usize,
}

#[derive(Serialize)]
struct Schemas {
    bundle: &'static str,
    report: &'static str,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let pages = defib_session::pages();
    let mut classes: Vec<&str> = pages.iter().map(|p| p.class).collect();
    classes.sort_unstable();
    classes.dedup();
    let version = Version {
        version: defib_session::VERSION,
        target: std::env::consts::ARCH,
        schemas: Schemas {
            bundle: defib_model::bundle::SCHEMA,
            report: defib_model::report::SCHEMA,
        },
        rules: pages.len(),
        classes: classes.len(),
        signals: defib_session::signals().count(),
    };
    match args.output {
        Form::Json => output::json(&version)?,
        Form::Text => output::text(&format!(
            "defib {} ({})\nreads and writes {}, {}\n{} rules for {} classes of causes, {} signals\n",
            version.version,
            version.target,
            version.schemas.bundle,
            version.schemas.report,
            version.rules,
            version.classes,
            version.signals
        ))?,
    }
    Ok(exit::HEALTHY)
}
