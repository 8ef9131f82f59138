//! Signals: messages that programs are known to write, as tables; and what scanning found of them.
//!
//! Deliberately absent: the tables themselves (`diagnose::signals`) and the scan (`read`).

use jiff::Timestamp;

use crate::id::EntityId;

/// What a message means for the search of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Names a cause.
    Cause,
    /// Shows that something is wrong, elsewhere or here.
    Symptom,
    /// Says how far a start or a change has come.
    Progress,
    /// Looks bad and means nothing.
    Harmless,
}

impl Mark {
    /// The word used in listings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Symptom => "symptom",
            Self::Progress => "progress",
            Self::Harmless => "harmless",
        }
    }
}

/// One message that a program is known to write.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// Its name, `component.what`.
    pub id: &'static str,
    /// A literal of at least six bytes that every such line holds, without quotes or backslashes.
    pub anchor: &'static str,
    /// The full pattern, tried on lines that hold the anchor; empty: the anchor is enough.
    pub pattern: &'static str,
    /// The program that writes it.
    pub unit: &'static str,
    /// What it means.
    pub mark: Mark,
    /// The versions that are known to write it; empty: all that were looked at.
    pub versions: &'static str,
    /// Where the text comes from: repository and file.
    pub source: &'static str,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Line number in its file, from 1.
    pub line: u64,
    /// The line as it stands, cut at 400 characters.
    pub text: String,
    /// Its own time stamp, if it has a full one.
    pub time: Option<Timestamp>,
    /// Captured groups of the pattern, in order.
    pub groups: Vec<String>,
}

/// All lines of one file that match one signal.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The signal.
    pub signal: &'static str,
    /// Whose log it is, if known.
    pub entity: Option<EntityId>,
    /// The container, if known.
    pub container: String,
    /// The host whose journal it is, as its lines name it; empty when they do not.
    pub host: String,
    /// The program that its lines name (`k3s`, `kernel`); empty when they do not.
    pub program: String,
    /// It stands in an event as a command printed it: `entity` is what the event is about, not who
    /// speaks.
    pub event: bool,
    /// The file, as an index into `Cluster::entries`.
    pub entry: u32,
    /// How many lines.
    pub count: u64,
    /// The first five.
    pub lines: Vec<LogLine>,
    /// Time of the first line that has one.
    pub first: Option<Timestamp>,
    /// Time of the last line that has one.
    pub last: Option<Timestamp>,
    /// Number of the last such line.
    pub last_line: u64,
}

/// The last lines of one container's log, for troubles that no signal names.
#[derive(Clone, Debug)]
pub struct LogTail {
    /// Whose log.
    pub entity: EntityId,
    /// Which container.
    pub container: String,
    /// The file, as an index into `Cluster::entries`.
    pub entry: u32,
    /// Up to five last lines.
    pub lines: Vec<LogLine>,
}
