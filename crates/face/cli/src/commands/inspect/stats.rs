//! `defib inspect stats`.

use super::{Form, Source};
use crate::error::CliError;
use crate::output;

/// Show who fills the database
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Lines to show; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
}

/// etcd's quota where none is set, as in k3s (`server/embed`, `DefaultQuotaBytes`).
const QUOTA: u64 = 2 << 30;

pub fn run(args: &Args) -> Result<u8, CliError> {
    let dead = args.source.open()?;
    let said = dead.stats();
    match args.source.place.output {
        Form::Json => output::json(&said)?,
        Form::Yaml => output::yaml(&said)?,
        Form::Text => {
            let all: u64 = said.shares.iter().map(|s| s.bytes).sum();
            let shown = match args.top {
                0 => said.shares.len(),
                n => n,
            };
            let rows: Vec<Vec<String>> = said
                .shares
                .iter()
                .take(shown)
                .map(|s| {
                    vec![
                        super::clean(&s.resource).into_owned(),
                        s.rows.to_string(),
                        super::size(s.bytes),
                        format!("{:.1}%", 100.0 * s.bytes as f64 / all.max(1) as f64),
                        super::size(s.longest),
                    ]
                })
                .collect();
            let head = ["WHAT", "ROWS", "BYTES", "SHARE", "LONGEST"];
            let mut text = super::table(&head, &rows);
            let more = said.shares.len().saturating_sub(shown);
            if more > 0 {
                text.push_str(&format!("and {more} more (--top 0 shows all)\n"));
            }
            text.push_str(&format!(
                "\nfile {}, of it {} in use",
                super::size(said.file),
                super::size(said.used)
            ));
            // Only etcd stops writing when its file is full.
            if said.leases.is_some() {
                text.push_str(&format!(
                    "; {:.1}% of etcd's quota where none is set ({})",
                    100.0 * said.file as f64 / QUOTA as f64,
                    super::size(QUOTA)
                ));
            }
            text.push_str(&format!(
                "\nrows and bytes count all history since revision {}",
                said.compacted
            ));
            if let Some(leases) = said.leases {
                text.push_str(&format!("; {leases} leases"));
            }
            text.push('\n');
            if let Some(old) = said.old_values {
                text.push_str(&format!(
                    "rows of kine also keep the values before them: {} beyond these\n",
                    super::size(old)
                ));
            }
            output::text(&text)?;
        }
    }
    let file = &args.source.place.file;
    Ok(super::judged(&dead, file, said.damages, "rows"))
}
