//! The Bundle: what was taken from where, what was left out, and what could not be read.
//!
//! On disk a bundle is a plain `tar.zst`: `bundle.json` (this type) first, then `raw/…`, one file
//! per entry, as answered but for redactions. Deliberately absent: reading and writing of the
//! archive (`collect`) and of what the entries mean (`read`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::Gap;

/// The schema this build writes.
pub const SCHEMA: &str = "defib.dev/bundle/v1";

/// `bundle.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Bundle {
    /// `defib.dev/bundle/v1`.
    pub schema: String,
    /// The tool that took it.
    pub tool: Tool,
    /// Clocks at the time of taking, by vantage; absent for files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<Clock>,
    /// What was asked, in order.
    pub sources: Vec<SourceInfo>,
    /// What was taken, sorted by path.
    pub entries: Vec<Entry>,
    /// What could not be read, and why.
    pub gaps: Vec<Gap>,
}

/// The tool and its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Version of defib.
    pub version: String,
}

/// One clock.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Clock {
    /// Whose clock.
    pub vantage: String,
    /// What it said, RFC 3339 in UTC.
    pub time: String,
}

/// One source that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceInfo {
    /// Short id, `s1`, `s2`…
    pub id: String,
    /// As given on the command line, without credentials.
    pub uri: String,
    /// kube, directory, file, datastore, archive, stdin or bundle.
    pub kind: String,
    /// From where it was seen: `api` for an API server, `file` for files.
    pub vantage: String,
    /// How much of it was read.
    pub read: Seen,
}

/// How much was seen of something.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// Everything that was asked for.
    All,
    /// Some of it.
    Part,
    /// Nothing.
    #[default]
    None,
}

/// One file of the bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its id: the path below the source, as evidence cites it.
    pub id: String,
    /// Its path in the archive.
    pub path: String,
    /// blake3 of the entry after redaction, in hexadecimal.
    pub blake3: String,
    /// Its size after redaction, in bytes.
    pub size: u64,
    /// The source it came from.
    pub source: String,
    /// What was asked: `file`, `kube-list`, `kube-log`, `kube-get`; `datastore` and `datastore-list` for what
    /// a datastore's file says of itself, and the objects in it.
    pub probe: String,
    /// From where it was seen.
    pub vantage: String,
    /// Exit code or HTTP status, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i64>,
    /// When it was asked, RFC 3339; absent for files, whose times are not trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What the answer is known to be about, where the question says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// What was taken out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redactions: Vec<Redaction>,
}

/// What the question behind an entry was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// The kind listed (`Pod`), for lists.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its API version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// True when the list covers all namespaces and came to its end.
    #[serde(default)]
    pub whole: bool,
    /// Namespace of the pod, for logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Pod, for logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pod: String,
    /// Container, for logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// True for the log of the container's previous run.
    #[serde(default)]
    pub previous: bool,
}

/// One class of secret taken out of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redaction {
    /// What it was: `secret-data`, `private-key`, `jwt`…
    pub what: String,
    /// How often.
    pub count: u64,
}
