//! Log lines: their ends, their time stamps, their escapes.
//!
//! Deliberately absent: what a message means (`diagnose::signals`) and which program wrote it.

use jiff::Timestamp;

/// Calls `each` with the number (from 1), the first byte and the text of every line.
pub fn lines<'b>(bytes: &'b [u8], mut each: impl FnMut(u64, usize, &'b [u8])) {
    let mut start = 0;
    let mut number = 1;
    while start < bytes.len() {
        let rest = bytes.get(start..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        each(number, start, line.strip_suffix(b"\r").unwrap_or(line));
        start += length + 1;
        number += 1;
    }
}

/// The full time stamp at the start of a line, if it has one.
///
/// Read are RFC 3339 (containers' logs with `--timestamps`, journald's short-iso), logrus
/// `time="…"`, and zap's `"ts":"…"`. Stamps without a year or a zone are no full stamps: they order
/// lines within one file only, and are left to the file's own order.
pub fn time_of(line: &str) -> Option<Timestamp> {
    let line = line.trim_start();
    if line.starts_with(|c: char| c.is_ascii_digit()) {
        return rfc3339(line.split_ascii_whitespace().next()?);
    }
    if let Some(rest) = line.strip_prefix("time=\"") {
        return rfc3339(rest.split('"').next()?);
    }
    if line.starts_with('{') {
        let at = line.find("\"ts\":\"")? + 6;
        return rfc3339(line.get(at..)?.split('"').next()?);
    }
    None
}

fn rfc3339(word: &str) -> Option<Timestamp> {
    if word.len() < 20 || word.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    // journald writes the zone as +0000, which RFC 3339 does not allow.
    if let Some(sign) = word.len().checked_sub(5)
        && matches!(word.as_bytes().get(sign), Some(b'+' | b'-'))
        && let (Some(head), Some(hours), Some(minutes)) = (
            word.get(..sign + 1),
            word.get(sign + 1..sign + 3),
            word.get(sign + 3..),
        )
    {
        return format!("{head}{hours}:{minutes}").parse().ok();
    }
    word.parse().ok()
}

/// Who wrote a line of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin<'l> {
    /// The host.
    pub host: &'l str,
    /// The unit or program: `k3s`, `kernel`, `containerd`.
    pub unit: &'l str,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Host and program of a line as journald and syslog print them: `Mar 10 11:00:00 n1 k3s[812]: …`, and
/// the same with an ISO time.
pub fn origin(line: &str) -> Option<Origin<'_>> {
    let line = line.trim_start();
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    if MONTHS.contains(&first) {
        let day: u8 = words.next()?.parse().ok()?;
        let time = words.next()?;
        if !(1..=31).contains(&day) || time.matches(':').count() != 2 {
            return None;
        }
    } else if rfc3339(first).is_none() {
        return None;
    }
    let host = words.next()?;
    let unit = words.next()?;
    let program = unit.strip_suffix(':')?;
    let program = program.split('[').next()?;
    let plain = |s: &str| {
        !s.is_empty()
            && s.chars().all(|c| {
                c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '@' | '(' | ')')
            })
    };
    (plain(host) && plain(program)).then_some(Origin {
        host,
        unit: program,
    })
}

/// Did a logger begin this line? It starts with a time: of journald, syslog, klog, logrus, zap, or the
/// kernel's seconds since it booted.
pub fn begins(head: &[u8]) -> bool {
    let digits = |from: usize, to: usize| {
        head.get(from..to)
            .is_some_and(|d| d.iter().all(u8::is_ascii_digit))
    };
    match head {
        [b'0'..=b'9', ..] => {
            digits(0, 4)
                && matches!(head.get(4), Some(b'-' | b'/'))
                && matches!(head.get(10), Some(b'T' | b' '))
        }
        [b'I' | b'W' | b'E' | b'F', b'0' | b'1', ..] => digits(1, 5) && head.get(5) == Some(&b' '),
        [b'{', b'"', ..] => memchr::memmem::find(head, b"\"level\":").is_some(),
        [b'[', ..] => head
            .get(1..)
            .and_then(|h| h.split(|b| *b == b']').next())
            .is_some_and(|t| {
                t.contains(&b'.') && t.iter().all(|b| matches!(b, b' ' | b'.' | b'0'..=b'9'))
            }),
        _ => {
            head.starts_with(b"time=\"")
                || (MONTHS.iter().any(|m| head.starts_with(m.as_bytes()))
                    && head.get(3) == Some(&b' ')
                    && digits(7, 9)
                    && head.get(9) == Some(&b':'))
        }
    }
}

/// The line with backslash-escaped quotes as plain quotes, as logrus and JSON write them.
pub fn unescape(line: &str) -> std::borrow::Cow<'_, str> {
    if line.contains("\\\"") {
        line.replace("\\\"", "\"").into()
    } else {
        line.into()
    }
}

/// The mark that `kubectl cluster-info dump` sets before and after each container's log.
///
/// Source: kubectl `pkg/cmd/clusterinfo/clusterinfo_dump.go`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpMark {
    /// True for START, false for END.
    pub start: bool,
    /// Container.
    pub container: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Pod.
    pub pod: String,
}

/// Reads `==== START logs for container C of pod N/P ====`.
pub fn dump_mark(line: &str) -> Option<DumpMark> {
    let rest = line.strip_prefix("==== ")?.strip_suffix(" ====")?;
    let (start, rest) = match rest.strip_prefix("START logs for container ") {
        Some(r) => (true, r),
        None => (false, rest.strip_prefix("END logs for container ")?),
    };
    let (container, pod) = rest.split_once(" of pod ")?;
    let (namespace, pod) = pod.split_once('/')?;
    Some(DumpMark {
        start,
        container: container.to_owned(),
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_stamps_are_read_and_partial_ones_are_not() {
        let t = |s: &str| time_of(s).map(|t| t.to_string());
        assert_eq!(
            t("2026-11-21T07:53:16+0000 n1 kubelet[1]: x").as_deref(),
            Some("2026-11-21T07:53:16Z")
        );
        assert_eq!(
            t("2026-11-21T09:53:16.5+02:00 x").as_deref(),
            Some("2026-11-21T07:53:16.5Z")
        );
        assert_eq!(
            t("time=\"2026-11-21T07:53:16Z\" level=info").as_deref(),
            Some("2026-11-21T07:53:16Z")
        );
        assert_eq!(
            t("{\"level\":\"warn\",\"ts\":\"2026-11-21T07:53:16.1Z\"}").as_deref(),
            Some("2026-11-21T07:53:16.1Z")
        );
        for partial in [
            "E1121 07:53:16.759693 1 a.go:1] x",
            "Nov 21 07:53:16 n1 k3s[1]: x",
            "12:00 x",
            "",
        ] {
            assert_eq!(t(partial), None, "{partial}");
        }
    }

    #[test]
    fn journals_name_host_and_program() {
        let o = |s: &str| origin(s).map(|o| (o.host, o.unit));
        let want = Some(("n1", "k3s"));
        assert_eq!(o("Mar 10 11:00:00 n1 k3s[812]: time=\"x\""), want);
        assert_eq!(o("2026-03-10T11:00:00+0000 n1 k3s[812]: x"), want);
        assert_eq!(o("Mar  1 11:00:00 n1 k3s: x"), want);
        assert_eq!(o("2026-03-10T11:00:00Z stderr F x"), None);
        assert_eq!(o("time=\"2026-03-10T11:00:00Z\" level=info"), None);
    }

    #[test]
    fn dump_marks_name_the_container() {
        let m = dump_mark("==== START logs for container agent of pod apps/g-1 ====").unwrap();
        assert_eq!(
            (
                m.start,
                m.container.as_str(),
                m.namespace.as_str(),
                m.pod.as_str()
            ),
            (true, "agent", "apps", "g-1")
        );
        assert!(dump_mark("==== something else ====").is_none());
    }
}
