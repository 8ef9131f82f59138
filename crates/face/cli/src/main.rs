//! The binary `defib`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a face prints")]

use std::process::ExitCode;
use defib_session::{Options, Source};
use defib_model::report::Verdict;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "diagnose" && a != "-o" && a != "json").collect();
    let sources: Vec<Source> = args.iter().filter_map(|a| Source::parse(a).ok()).collect();
    match defib_session::diagnose(&sources, &Options::default(), &mut std::io::stdin(), &mut |_| {}) {
        Ok(r) => {
            println!("{}", serde_json::to_string_pretty(&r).unwrap_or_default());
            ExitCode::from(match r.verdict { Verdict::RootCause => 2, Verdict::Unknown => 3, Verdict::Healthy => 0 })
        }
        Err(e) => { eprintln!("{e}"); ExitCode::from(1) }
    }
}
