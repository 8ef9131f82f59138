//! `defib rules`.

use std::fmt::Write as _;

use clap::ValueEnum;
use serde::Serialize;

use crate::error::CliError;
use crate::exit;
use crate::output;

/// All rules and signals
#[derive(clap::Args)]
pub struct Args {
    /// Form of the result.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    /// Only the literals that logs are searched for, one a line.
    #[arg(long)]
    literals: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// Rules and signals with all their fields.
    Json,
}

#[derive(Serialize)]
struct Listing<'a> {
    rules: Vec<Rule<'a>>,
    signals: Vec<Signal<'a>>,
}

#[derive(Serialize)]
struct Rule<'a> {
    code: &'a str,
    class: &'a str,
    title: &'a str,
}

#[derive(Serialize)]
struct Signal<'a> {
    id: &'a str,
    unit: &'a str,
    mark: &'a str,
    anchor: &'a str,
    pattern: &'a str,
    versions: &'a str,
    source: &'a str,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let signals: Vec<_> = defib_session::signals().collect();
    if args.literals {
        let mut out = String::new();
        for s in &signals {
            let _ = writeln!(out, "{}", s.anchor);
        }
        output::text(&out)?;
        return Ok(exit::HEALTHY);
    }
    let pages = defib_session::pages();
    let rules: Vec<Rule<'_>> = pages
        .iter()
        .map(|p| {
            let first = p.text.lines().next().unwrap_or_default();
            let title = first
                .trim_start_matches(['#', ' '])
                .trim_start_matches(p.code)
                .trim();
            Rule {
                code: p.code,
                class: p.class,
                title,
            }
        })
        .collect();
    match args.output {
        Form::Text => {
            let mut out = String::new();
            for r in &rules {
                let _ = writeln!(out, "{}  {:<40} {}", r.code, r.class, r.title);
            }
            let _ = writeln!(out, "{} rules, {} signals", rules.len(), signals.len());
            output::text(&out)?;
        }
        Form::Json => {
            let signals = signals
                .iter()
                .map(|s| Signal {
                    id: s.id,
                    unit: s.unit,
                    mark: s.mark.word(),
                    anchor: s.anchor,
                    pattern: s.pattern,
                    versions: s.versions,
                    source: s.source,
                })
                .collect();
            output::json(&Listing { rules, signals })?;
        }
    }
    Ok(exit::HEALTHY)
}
