//! `defib diagnose`.

use clap::ValueEnum;
use defib_render::{markdown, mermaid, sarif, text};

use super::Cluster;
use crate::error::CliError;
use crate::exit;
use crate::output::{self, Colour};
use crate::progress::Progress;

/// Name the root causes of what is wrong, with the evidence and the way out
///
/// SOURCE is a folder, a file or an archive (.tar, .gz, .zst, .zip): whatever there is. A `kubectl
/// cluster-info dump`, what kubectl, etcdctl and other commands printed, journals and container logs, a
/// support bundle, a bundle of `defib collect`. `-` is a paste on standard input, `kube:` or
/// `kube:CONTEXT` a living cluster. Without one the current kubeconfig's cluster is asked.
#[derive(clap::Args)]
pub struct Args {
    /// Where the evidence is.
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    /// Everything, not just the first screen.
    #[arg(long)]
    all: bool,
    /// Only what concerns this namespace: its symptoms, and their causes wherever they are.
    #[arg(short, long, value_name = "NAMESPACE", env = "DEFIB_NAMESPACE")]
    namespace: Option<String>,
    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,
    /// Judge as of this time (RFC 3339) instead of the latest time in the evidence.
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Tell on standard error how long each stage took.
    #[arg(long)]
    timings: bool,
    /// Tell on standard error what is being read.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    cluster: Cluster,
}

/// Forms of a report.
#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// The report itself.
    Json,
    /// The report itself, as YAML.
    Yaml,
    /// For tickets and chats.
    Markdown,
    /// A picture of causes and symptoms.
    Mermaid,
    /// SARIF 2.1.0.
    Sarif,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let mut options = args.cluster.options();
    if let Some(time) = &args.as_of {
        options.as_of = Some(time.parse().map_err(|_| {
            CliError::new(format!("--as-of {time} is no time"))
                .hint("it is written like 2026-01-31T12:00:00Z")
        })?);
    }
    options.namespace.clone_from(&args.namespace);
    let sources = super::sources(&args.sources, &args.cluster)?;
    let mut progress = Progress::new(args.timings, args.verbose);
    let report = defib_session::diagnose(&sources, &options, &mut std::io::stdin(), &mut |e| {
        progress.event(e)
    })?;
    drop(progress);
    match args.output {
        Form::Text => output::text(&text::report(&report, &output::style(args.color, args.all)))?,
        Form::Json => output::json(&report)?,
        Form::Yaml => output::yaml(&report)?,
        Form::Markdown => output::text(&markdown::report(&report))?,
        Form::Mermaid => output::text(&mermaid::report(&report))?,
        Form::Sarif => output::json(&sarif::report(&report))?,
    }
    Ok(exit::of(report.verdict))
}
