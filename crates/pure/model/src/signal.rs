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

/// How a program writes a time that has no year and no zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// journald and syslog: `Nov 21 07:53:16`.
    Syslog,
    /// klog: `E1121 07:53:16.759693`.
    Klog,
    /// `dmesg -T`: a year, but the zone of whoever asked.
    Kernel,
}

/// A time without year and zone: it orders lines of the same host and form, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// How it is written.
    pub form: Form,
    /// Month, from 1.
    pub month: u8,
    /// Day of the month, from 1.
    pub day: u8,
    /// Second of the day.
    pub second: u32,
}

impl Local {
    /// Seconds since the year began, as if it were a leap year.
    fn seconds(self) -> i64 {
        const BEFORE: [i64; 12] = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335];
        let month = BEFORE.get(usize::from(self.month.max(1)) - 1).copied();
        let days = month.unwrap_or_default() + i64::from(self.day) - 1;
        days * 86_400 + i64::from(self.second)
    }

    /// Seconds until the other one, if they can be compared and lie in one year.
    pub fn until(self, other: Self) -> Option<i64> {
        (self.form == other.form).then(|| other.seconds() - self.seconds())
    }

    /// Which of the two is earlier, if they can be compared. December is before January, since no log that
    /// is looked at spans half a year. In the hours in which clocks are put back an hour counts for nothing.
    pub fn order(self, other: Self) -> Option<std::cmp::Ordering> {
        const YEAR: i64 = 366 * 86_400;
        if self.form != other.form {
            return None;
        }
        let mut apart = self.seconds() - other.seconds();
        if apart.abs() > YEAR / 2 {
            apart -= YEAR * apart.signum();
        }
        let put_back = |t: Self| matches!(t.month, 3 | 4 | 9 | 10 | 11) && t.second < 4 * 3600;
        if put_back(self) && put_back(other) && apart != 0 && apart.abs() <= 3600 {
            return None;
        }
        Some(apart.cmp(&0))
    }
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
    /// Its time stamp without year and zone, also beside a full one.
    pub local: Option<Local>,
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
    /// The earliest time that is known of its lines.
    pub first: Option<Timestamp>,
    /// The latest.
    pub last: Option<Timestamp>,
    /// The latest stamp without year and zone.
    pub last_local: Option<Local>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering::{Equal, Greater, Less};

    fn at(month: u8, day: u8, second: u32) -> Local {
        Local {
            form: Form::Syslog,
            month,
            day,
            second,
        }
    }

    #[test]
    fn december_is_before_january() {
        assert_eq!(at(12, 31, 86_399).order(at(1, 1, 0)), Some(Less));
        assert_eq!(at(1, 1, 0).order(at(12, 31, 86_399)), Some(Greater));
        assert_eq!(at(2, 28, 9).order(at(3, 1, 9)), Some(Less));
        assert_eq!(at(6, 1, 9).order(at(6, 1, 9)), Some(Equal));
    }

    #[test]
    fn the_hour_that_comes_twice_orders_nothing() {
        assert_eq!(at(10, 25, 9_000).order(at(10, 25, 9_600)), None);
        assert_eq!(at(10, 25, 9_000).order(at(10, 25, 43_200)), Some(Less));
        assert_eq!(at(7, 25, 9_000).order(at(7, 25, 9_600)), Some(Less));
    }

    #[test]
    fn forms_may_have_zones_of_their_own() {
        let klog = Local {
            form: Form::Klog,
            ..at(6, 1, 9)
        };
        assert_eq!(klog.order(at(6, 1, 10_000)), None);
    }
}
