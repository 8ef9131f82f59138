//! `defib explain`.

use clap::ValueEnum;
use serde::Serialize;

use crate::error::CliError;
use crate::exit;
use crate::output::{self, Colour};

/// The page of a rule (STO001) or of a class of causes (pvc-selector-mismatch)
#[derive(clap::Args)]
pub struct Args {
    /// A rule's code or a class.
    #[arg(value_name = "CODE|CLASS")]
    what: String,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// Code, class and page.
    Json,
    /// The page as it is written.
    Markdown,
}

#[derive(Serialize)]
struct Row<'a> {
    code: &'a str,
    class: &'a str,
    page: &'a str,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let wanted = args.what.trim();
    let pages = defib_session::pages();
    let found: Vec<_> = pages
        .iter()
        .filter(|p| p.code.eq_ignore_ascii_case(wanted) || p.class == wanted)
        .collect();
    if found.is_empty() {
        let near: Vec<&str> = pages
            .iter()
            .filter(|p| {
                (wanted.len() > 1 && p.class.contains(&wanted.to_ascii_lowercase()))
                    || p.class
                        .split('-')
                        .any(|w| w.len() > 3 && wanted.contains(w))
            })
            .map(|p| p.class)
            .take(5)
            .collect();
        let mut failure = CliError::new(format!("there is no rule and no class {wanted}"));
        if !near.is_empty() {
            failure = failure.hint(format!("near: {}", near.join(", ")));
        }
        return Err(failure.hint("defib rules lists them all"));
    }
    match args.output {
        Form::Text => {
            let style = output::style(args.color, true);
            for page in found {
                output::text(&defib_render::page::text(&page.text, &style))?;
            }
        }
        Form::Markdown => {
            for page in found {
                output::text(&page.text)?;
            }
        }
        Form::Json => {
            let rows: Vec<Row<'_>> = found
                .iter()
                .map(|p| Row {
                    code: p.code,
                    class: p.class,
                    page: &p.text,
                })
                .collect();
            output::json(&rows)?;
        }
    }
    Ok(exit::HEALTHY)
}
