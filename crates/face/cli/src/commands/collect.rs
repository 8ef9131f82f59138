//! `defib collect`.

use std::path::PathBuf;

use super::Cluster;
use crate::error::CliError;
use crate::exit;
use crate::output;
use crate::progress::Progress;

/// Take evidence along in one file, without its secrets
///
/// The bundle is a plain tar.zst: `tar -tf FILE` lists it. `defib diagnose FILE` gives the same report
/// as the sources themselves, on another machine and on another day.
#[derive(clap::Args)]
pub struct Args {
    /// Where the evidence is; as for `defib diagnose`.
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Tell on standard error how long each stage took.
    #[arg(long)]
    timings: bool,
    /// Tell on standard error what is being read.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    cluster: Cluster,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let sources = super::sources(&args.sources, &args.cluster)?;
    let mut progress = Progress::new(args.timings, args.verbose);
    let bundle = defib_session::collect(
        &sources,
        &args.cluster.options(),
        &args.out,
        &mut std::io::stdin(),
        &mut |e| progress.event(e),
    )?;
    drop(progress);
    let taken: u64 = bundle
        .entries
        .iter()
        .flat_map(|e| &e.redactions)
        .map(|r| r.count)
        .sum();
    output::text(&format!(
        "{}: {} entries, {} secrets taken out, {} gaps\n",
        args.out.display(),
        bundle.entries.len(),
        taken,
        bundle.gaps.len()
    ))?;
    for gap in &bundle.gaps {
        let line: String = format!("  not read: {}: {}", gap.what, gap.why)
            .chars()
            .filter(|c| !defib_model::text::is_unsafe(*c))
            .collect();
        eprintln!("{line}");
    }
    Ok(if bundle.entries.is_empty() || !bundle.gaps.is_empty() {
        exit::UNKNOWN
    } else {
        exit::HEALTHY
    })
}
