//! What came before what. Lines are ordered by times that can be compared, and within what one command
//! printed by their place; where neither holds, nothing that depends on their order may be concluded.
//!
//! Times with a zone compare everywhere, between hosts only if they are further apart than clocks are.
//! Times without a year compare where the same host wrote them in the same form; a line of journald that
//! holds a full time too has both. Deliberately absent: guesses of years and zones.

use std::cmp::Ordering;

use defib_model::fact::Value;
use defib_model::signal::{Hit, Local, LogLine};
use jiff::Timestamp;

use crate::context::Context;

/// Seconds by which the clocks of two hosts may differ and nobody minds.
const CLOCKS: i64 = 300;

/// Where and when something was said.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'c> {
    /// The file.
    pub entry: u32,
    /// The line in it.
    pub line: u64,
    /// The host; empty where nobody names it.
    pub host: &'c str,
    /// Its time.
    pub time: Option<Timestamp>,
    /// Its time without year and zone.
    pub local: Option<Local>,
}

impl<'c> Moment<'c> {
    /// The last time that a signal was heard in its log.
    pub fn last(hit: &'c Hit) -> Self {
        Self {
            entry: hit.entry,
            line: hit.last_line,
            host: &hit.host,
            time: hit.last,
            local: hit.last_local,
        }
    }

    /// One of the lines in which it was heard.
    pub fn of(hit: &'c Hit, line: &LogLine) -> Self {
        Self {
            line: line.line,
            time: line.time,
            local: line.local,
            ..Self::last(hit)
        }
    }
}

/// Seconds from the first to the second, where their times can be compared.
pub fn seconds(from: &Moment<'_>, to: &Moment<'_>) -> Option<i64> {
    if let (Some(a), Some(b)) = (from.time, to.time) {
        return Some(b.as_second() - a.as_second());
    }
    let same = from.entry == to.entry || (!from.host.is_empty() && from.host == to.host);
    from.local
        .zip(to.local)
        .filter(|_| same)
        .and_then(|(a, b)| a.until(b))
}

/// Which of the two was said first; nothing if nobody can tell.
pub fn order(cx: &Context<'_>, a: &Moment<'_>, b: &Moment<'_>) -> Option<Ordering> {
    let own = !a.host.is_empty() && a.host == b.host;
    let same_file = a.entry == b.entry;
    if let (Some(x), Some(y)) = (a.time, b.time) {
        let apart = x.as_second() - y.as_second();
        if own || same_file || apart.abs() > CLOCKS {
            // What was said in the same second stands in the order of the file.
            return match x.cmp(&y) {
                Ordering::Equal if same_file => by_place(cx, a, b),
                Ordering::Equal => None,
                other => Some(other),
            };
        }
        return None;
    }
    if let (Some(x), Some(y)) = (a.local, b.local)
        && (own || same_file)
        && let Some(found) = x.order(y)
        && found != Ordering::Equal
    {
        return Some(found);
    }
    if same_file { by_place(cx, a, b) } else { None }
}

/// Is this behind that, as far as anybody can tell?
pub fn is_behind(cx: &Context<'_>, later: &Moment<'_>, earlier: &Moment<'_>) -> bool {
    order(cx, later, earlier) == Some(Ordering::Greater)
}

/// The order of lines in a file: that of the command that printed them. What two commands printed has none:
/// the second may have shown an older log.
fn by_place(cx: &Context<'_>, a: &Moment<'_>, b: &Moment<'_>) -> Option<Ordering> {
    let block = |m: &Moment<'_>| {
        cx.cluster
            .facts
            .iter()
            .filter(|f| f.entry == m.entry && f.line <= m.line)
            .filter_map(|f| match &f.value {
                Value::Ran(words) if shows_log(words) => Some((f.line, is_reversed(words))),
                _ => None,
            })
            .max_by_key(|(line, _)| *line)
    };
    let (of_a, of_b) = (block(a), block(b));
    if of_a.map(|(line, _)| line) != of_b.map(|(line, _)| line) {
        return None;
    }
    let reversed = of_a.is_some_and(|(_, r)| r);
    let order = a.line.cmp(&b.line);
    Some(if reversed { order.reverse() } else { order })
}

/// A command that prints a log which was written earlier.
fn shows_log(words: &[String]) -> bool {
    words.iter().any(|w| {
        matches!(
            w.rsplit('/').next().unwrap_or_default(),
            "journalctl"
                | "cat"
                | "tail"
                | "head"
                | "zcat"
                | "less"
                | "grep"
                | "zgrep"
                | "logs"
                | "dmesg"
                | "tac"
        )
    })
}

/// It prints the newest line first.
fn is_reversed(words: &[String]) -> bool {
    words.iter().any(|w| w == "tac")
        || (words.iter().any(|w| w.ends_with("journalctl"))
            && words
                .iter()
                .take_while(|w| *w != "|")
                .any(|w| w == "--reverse" || has_flag(w, 'r')))
}

/// Is this letter among the flags of such a word? Behind one of journalctl's letters that take a value
/// stands the value: `-uk3s-server`.
fn has_flag(word: &str, flag: char) -> bool {
    let Some(letters) = word.strip_prefix('-').filter(|l| !l.starts_with('-')) else {
        return false;
    };
    letters
        .chars()
        .take_while(|c| !"cDgMnopStTUu".contains(*c))
        .any(|c| c == flag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use defib_model::cluster::Cluster;
    use defib_model::fact::Fact;
    use defib_model::signal::Form;

    fn at<'c>(entry: u32, line: u64, host: &'c str, time: &str) -> Moment<'c> {
        let mut parts = time.split([' ', ':']).map(|p| p.parse::<u32>());
        let mut next = || parts.next().and_then(Result::ok);
        let local = match (next(), next(), next(), next()) {
            (Some(month), Some(day), Some(hours), Some(minutes)) => Some(Local {
                form: Form::Syslog,
                month: month as u8,
                day: day as u8,
                second: hours * 3600 + minutes * 60,
            }),
            _ => None,
        };
        Moment {
            entry,
            line,
            host,
            time: time.parse().ok(),
            local,
        }
    }

    fn ran(line: u64, words: &str) -> Fact {
        Fact {
            line,
            value: Value::Ran(words.split(' ').map(str::to_owned).collect()),
            ..Fact::default()
        }
    }

    fn ordered(facts: Vec<Fact>, a: Moment<'_>, b: Moment<'_>) -> Option<Ordering> {
        let cluster = Cluster {
            facts,
            ..Cluster::default()
        };
        let cx = Context::new(&cluster);
        let there = order(&cx, &a, &b);
        assert_eq!(order(&cx, &b, &a), there.map(Ordering::reverse));
        there
    }

    #[test]
    fn times_with_a_zone_compare_in_all_files() {
        let a = || at(0, 9, "n1", "2026-03-10T11:00:00+01:00");
        let b = || at(1, 1, "n1", "2026-03-10T10:30:00Z");
        assert_eq!(ordered(vec![], a(), b()), Some(Ordering::Less));
        // Over the night in which clocks change, too.
        let (c, d) = (
            at(0, 2, "n1", "2026-10-25T02:30:00+02:00"),
            at(0, 1, "n1", "2026-10-25T02:10:00+01:00"),
        );
        assert_eq!(ordered(vec![], c, d), Some(Ordering::Less));
    }

    #[test]
    fn clocks_of_two_hosts_may_differ() {
        let a = || at(0, 1, "n1", "2026-03-10T11:00:00Z");
        let near = at(1, 1, "n2", "2026-03-10T11:02:00Z");
        let far = at(1, 1, "n2", "2026-03-10T12:00:00Z");
        assert_eq!(ordered(vec![], a(), near), None);
        assert_eq!(ordered(vec![], a(), far), Some(Ordering::Less));
    }

    #[test]
    fn times_without_a_year_order_one_host_also_over_new_year() {
        let (old, new) = (
            || at(0, 1, "n1", "12 31 23:59"),
            || at(1, 1, "n1", "1 1 0:01"),
        );
        assert_eq!(ordered(vec![], old(), new()), Some(Ordering::Less));
        let other = at(1, 1, "n2", "1 1 0:01");
        assert_eq!(ordered(vec![], old(), other), None, "zones of two hosts");
        let dated = at(1, 1, "n1", "2026-01-01T00:01:00Z");
        assert_eq!(ordered(vec![], old(), dated), None, "nobody knows the year");
    }

    #[test]
    fn the_hour_that_comes_twice_is_ordered_by_the_file_alone() {
        let (a, b) = (
            || at(0, 5, "n1", "10 25 2:50"),
            at(0, 9, "n1", "10 25 2:10"),
        );
        assert_eq!(ordered(vec![], a(), b), Some(Ordering::Less));
        let elsewhere = at(1, 9, "n1", "10 25 2:10");
        assert_eq!(ordered(vec![], a(), elsewhere), None);
    }

    #[test]
    fn lines_without_a_time_stand_in_the_order_of_their_command() {
        let (a, b) = (|| at(0, 3, "n1", ""), || at(0, 6, "n1", ""));
        assert_eq!(ordered(vec![], a(), b()), Some(Ordering::Less));
        let two = vec![ran(1, "journalctl -u k3s"), ran(5, "cat /var/log/old")];
        assert_eq!(ordered(two, a(), b()), None);
        let newest_first = vec![ran(1, "journalctl -u k3s -r")];
        assert_eq!(ordered(newest_first, a(), b()), Some(Ordering::Greater));
        let newest_first = vec![ran(1, "journalctl -xru k3s")];
        assert_eq!(ordered(newest_first, a(), b()), Some(Ordering::Greater));
        for plain in ["journalctl -uk3s-server", "journalctl -u k3s | sort -r"] {
            assert_eq!(
                ordered(vec![ran(1, plain)], a(), b()),
                Some(Ordering::Less),
                "{plain}"
            );
        }
        let acted = vec![ran(1, "journalctl -f"), ran(5, "systemctl restart k3s")];
        assert_eq!(ordered(acted, a(), b()), Some(Ordering::Less));
        // The kernel's seconds begin anew with every boot: other files say nothing.
        assert_eq!(ordered(vec![], a(), at(1, 6, "n1", "")), None);
    }
}
