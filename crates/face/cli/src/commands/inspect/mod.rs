//! `defib inspect`: one file per verb.

mod bootstrap;
mod diff;
mod export;
mod get;
mod history;
mod ls;
mod members;
#[cfg(feature = "serve")]
mod serve;
mod stats;
mod verify;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use defib_model::text::Word;
use defib_session::inspect::{Change, Dead, Engine};
use serde_json::Value;

use crate::error::CliError;
use crate::exit;

/// Read a dead datastore: etcd's file or snapshot, or kine's SQLite, without either
///
/// FILE is a snapshot (plain, .zip or gzip), a member's `member/snap/db`, kine's `state.db`, an etcd data
/// directory or the data directory of k3s. It is only read. Values of Secrets stay hidden unless --show-secrets is given.
///
/// kine's database is copied first, with its log, into a private folder that goes again when the copy is open: in TMPDIR,
/// else in /tmp, /var/tmp or /dev/shm, wherever room is. Where none is, it is read where it lies. A link that you name is
/// followed; links beside or below it are not.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Ls(ls::Args),
    Get(get::Args),
    History(history::Args),
    Members(members::Args),
    Diff(diff::Args),
    Stats(stats::Args),
    Export(export::Args),
    Verify(verify::Args),
    Bootstrap(bootstrap::Args),
    #[cfg(feature = "serve")]
    Serve(serve::Args),
}

/// The form of a verb's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
}

/// What every verb takes.
#[derive(clap::Args)]
struct Place {
    /// The snapshot, database or folder.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The form of the answer.
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    output: Form,
}

/// What verbs take that look into values.
#[derive(clap::Args)]
struct Source {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    unlock: Unlock,
}

/// Keys for what is encrypted at rest.
#[derive(clap::Args)]
struct Unlock {
    /// Decrypt with the keys of this EncryptionConfiguration; without it with those of the data directory, where
    /// FILE is one.
    #[arg(long, value_name = "FILE")]
    encryption_config: Option<PathBuf>,
    /// A file with the cluster's token, which opens the bootstrap record and the keys in it.
    #[arg(long, value_name = "FILE", conflicts_with = "encryption_config")]
    token_file: Option<PathBuf>,
    /// Take rows out of every page that looks as if it held some, where the file is too damaged to be read as a
    /// whole. What was deleted may come back.
    #[arg(long)]
    salvage: bool,
}

impl Unlock {
    /// Opens a datastore, and what is encrypted in it as far as keys are given.
    fn open(&self, path: &Path) -> Result<Dead, CliError> {
        self.unlock(path, Dead::open)
    }

    fn unlock(
        &self,
        path: &Path,
        open: fn(&Path) -> Result<Dead, defib_session::Error>,
    ) -> Result<Dead, CliError> {
        let mut dead = match self.salvage {
            true => Dead::salvage(path)?,
            false => open(path)?,
        };
        dead.unlock(
            path,
            self.encryption_config.as_deref(),
            self.token_file.as_deref(),
        )
        .map_err(|e| bootstrap::failed(path, e))?;
        announce(&dead);
        Ok(dead)
    }
}

impl Source {
    /// Opens it with the keys that are given.
    fn open(&self) -> Result<Dead, CliError> {
        self.unlock.open(&self.place.file)
    }

    /// The same to be verified at once.
    fn open_to_verify(&self) -> Result<Dead, CliError> {
        self.unlock.unlock(&self.place.file, Dead::open_to_verify)
    }
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    match &args.verb {
        Verb::Ls(args) => ls::run(args),
        Verb::Get(args) => get::run(args),
        Verb::History(args) => history::run(args),
        Verb::Stats(args) => stats::run(args),
        Verb::Diff(args) => diff::run(args),
        Verb::Export(args) => export::run(args),
        Verb::Members(args) => members::run(args),
        Verb::Verify(args) => verify::run(args),
        Verb::Bootstrap(args) => bootstrap::run(args),
        #[cfg(feature = "serve")]
        Verb::Serve(args) => serve::run(args),
    }
}

/// Opens it without keys, and says on standard error what must be known about it.
fn open(path: &Path) -> Result<Dead, CliError> {
    let dead = Dead::open(path)?;
    announce(&dead);
    Ok(dead)
}

fn announce(dead: &Dead) {
    for note in &dead.notes {
        tell(note);
    }
    if let Some(process) = dead.holder {
        let file = &dead.path;
        let how = match dead.engine() {
            Engine::Etcd => "`k3s etcd-snapshot save` gives a sound copy".to_owned(),
            Engine::Kine => format!(
                "`sqlite3 {} \".backup COPY\"` gives a sound copy, or stop what runs it first",
                word(file)
            ),
        };
        tell(&format!(
            "{} is held open by process {process}: what is written meanwhile may be missed; {how}",
            file.display()
        ));
    }
}

/// What else can be had of a file with so many damaged places; nothing where that was done already or can't be, and
/// where only the log beside it is damaged.
fn more(dead: &Dead, damages: u64) -> Option<&'static str> {
    let is_file = damages > dead.log_damages();
    (is_file && dead.engine() == Engine::Etcd && !dead.is_salvaged())
        .then_some("--salvage also takes what the tree does not lead to any more")
}

/// Says that an answer may not be all, where places are damaged; the exit code.
fn judged(dead: &Dead, file: &Path, damages: u64, missing: &str) -> u8 {
    if damages == 0 {
        return exit::HEALTHY;
    }
    tell(&format!(
        "{damages} places of the file are damaged, so {missing} may be missing: defib inspect verify {}",
        word(file)
    ));
    more(dead, damages).into_iter().for_each(tell);
    exit::UNKNOWN
}

/// A remark for people, on standard error.
fn tell(what: &str) {
    eprintln!("note: {}", clean(what));
}

/// A file in a command that people paste.
fn word(path: &Path) -> String {
    Word(&path.display().to_string()).to_string()
}

/// Text from a file, without what could steer a terminal.
fn clean(text: &str) -> Cow<'_, str> {
    // Nearly every name is such, and there may be a hundred thousand.
    if text.bytes().all(|b| (b' '..0x7f).contains(&b)) {
        return Cow::Borrowed(text);
    }
    if !text.chars().any(defib_model::text::is_unsafe) {
        return Cow::Borrowed(text);
    }
    let clean = text.chars();
    clean
        .map(|c| {
            if defib_model::text::is_unsafe(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Columns that stand below each other, two spaces apart; the last is as wide as it is.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&mut head.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

/// Bytes that somebody typed: a number, with or without a unit.
fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "ki" | "kib" => 1 << 10,
        "m" | "mi" | "mib" => 1 << 20,
        "g" | "gi" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("a size is a number of bytes, or like 8GiB or 500MB".into()),
    };
    let number: u64 = number.parse().map_err(|_| "it needs a number first")?;
    let size = number.checked_mul(factor).filter(|n| *n > 0);
    size.ok_or_else(|| "it is no size that a file can have".into())
}

/// Bytes, as people say them.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// One changed field on one line.
fn shown(change: &Change) -> String {
    let short = |value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut short: String = clean(&text).chars().take(48).collect();
        if short.chars().count() < text.chars().count() {
            short.push('…');
        }
        short
    };
    let path = clean(&change.path);
    match (&change.was, &change.is) {
        (Some(was), Some(is)) => format!("{path}: {} → {}", short(was), short(is)),
        (None, Some(is)) => format!("{path}: + {}", short(is)),
        (Some(was), None) => format!("{path}: - {}", short(was)),
        (None, None) => path.into_owned(),
    }
}
