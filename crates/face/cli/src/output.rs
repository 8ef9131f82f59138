//! Where and how results are printed: standard output, in the form that was asked for.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use defib_render::Style;
use serde::Serialize;

use crate::error::CliError;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The style of standard output.
pub fn style(colour: Colour, all: bool) -> Style {
    let terminal = std::io::stdout().is_terminal();
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let dumb = std::env::var("TERM").is_ok_and(|t| t == "dumb");
    let colour = match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && !dumb && !set("NO_COLOR"),
    };
    let width = std::env::var("COLUMNS")
        .ok()
        .and_then(|c| c.parse().ok())
        .or_else(|| terminal_size::terminal_size().map(|(w, _)| usize::from(w.0)))
        .unwrap_or(100)
        .clamp(40, 120);
    Style {
        width,
        colour,
        ascii: !utf8(),
        all,
    }
}

/// Does the locale write UTF-8? Nothing set means yes: pipes and cron jobs carry bytes.
fn utf8() -> bool {
    let first = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|n| std::env::var(n).ok().filter(|v| !v.is_empty()));
    first.is_none_or(|v| {
        let v = v.to_ascii_lowercase();
        v.contains("utf-8") || v.contains("utf8")
    })
}

/// Prints text.
pub fn text(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints a value as JSON.
pub fn json<T: Serialize>(value: &T) -> Result<(), CliError> {
    let mut body = serde_json::to_string_pretty(value)
        .map_err(|e| CliError::new(format!("cannot write JSON: {e}")))?;
    body.push('\n');
    text(&defib_render::json::safe(&body))
}

/// Prints a value as YAML.
pub fn yaml<T: Serialize>(value: &T) -> Result<(), CliError> {
    let value = serde_json::to_value(value)
        .map_err(|e| CliError::new(format!("cannot write YAML: {e}")))?;
    text(&defib_render::yaml::write(&value))
}
