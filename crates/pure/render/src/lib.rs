//! Report → terminal text, Markdown, Mermaid, SARIF, JSON, YAML.
//!
//! Every form is a function from values to text: no terminal is asked anything here; width, colour
//! and character set are given. Deliberately absent: any judgement; what is shown is in the report.

mod clean;
pub mod json;
pub mod markdown;
pub mod mermaid;
pub mod page;
#[cfg(test)]
mod sample;
pub mod sarif;
pub mod style;
pub mod text;
pub mod yaml;

pub use style::Style;
