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

/// The full time stamp of a line, if it has one.
///
/// Read are RFC 3339 at its start (containers' logs with `--timestamps`, journald's short-iso), logrus
/// `time="…"`, zap's `"ts":"…"`, Docker's `"time":"…"`, and journald's JSON. Behind a syslog stamp without a
/// year the program's own stamp counts. Stamps without a year or a zone are no full stamps: they order lines
/// within one file only, and are left to the file's own order.
pub fn time_of(line: &str) -> Option<Timestamp> {
    // Behind marks of a quotation too.
    let marks = crate::quotation::marks(line.as_bytes(), b">|");
    let line = line.get(marks..)?.trim_start_matches([' ', '\t']);
    match line.as_bytes() {
        [b'0'..=b'9', ..] => rfc3339(line.split_ascii_whitespace().next()?),
        [b't', ..] => rfc3339(line.strip_prefix("time=\"")?.split('"').next()?),
        [b'{', ..] => {
            if let Some(micros) = field(line, "__REALTIME_TIMESTAMP") {
                return Timestamp::from_microsecond(micros.parse().ok()?).ok();
            }
            rfc3339(field(line, "ts").or_else(|| field(line, "time"))?)
        }
        [b'A'..=b'Z', ..] => {
            let (_, said) = syslog(line)?;
            time_of(said).filter(|_| !said.starts_with(|c: char| c.is_ascii_uppercase()))
        }
        _ => None,
    }
}

/// A time without a zone, and mostly without a year, as a line begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// `Nov 21 07:53:16`: month, day, second of the day.
    Syslog(u8, u8, u32),
    /// `E1121 07:53:16.759693`.
    Klog(u8, u8, u32),
    /// `[Sat Nov 21 07:53:16 2026]`, as `dmesg -T` prints it.
    Kernel(u8, u8, u32),
}

/// The partial time stamp at the beginning of a line. The kernel's seconds since it booted are none: they
/// begin anew with every boot.
pub fn partial_of(line: &str) -> Option<Partial> {
    let month = |name: &str| MONTHS.iter().position(|m| *m == name).map(|m| m as u8 + 1);
    let day = |text: &str| text.parse::<u8>().ok().filter(|d| (1..=31).contains(d));
    let second = |text: &str| {
        let mut parts = text.split(['.', ',']).next()?.split(':');
        let mut next = |below: u32| parts.next()?.parse::<u32>().ok().filter(|n| *n < below);
        let (hours, minutes, seconds) = (next(24)?, next(60)?, next(61)?);
        parts
            .next()
            .is_none()
            .then_some(hours * 3600 + minutes * 60 + seconds)
    };
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    if let Some(named) = month(first) {
        return Some(Partial::Syslog(
            named,
            day(words.next()?)?,
            second(words.next()?)?,
        ));
    }
    if let Some(weekday) = first.strip_prefix('[')
        && weekday.len() == 3
    {
        let named = month(words.next()?)?;
        let at = (day(words.next()?)?, second(words.next()?)?);
        let year = words.next()?.trim_end_matches(']');
        return (year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()))
            .then_some(Partial::Kernel(named, at.0, at.1));
    }
    let date = first.strip_prefix(['I', 'W', 'E', 'F'])?;
    let (named, of) = (date.get(..2)?.parse::<u8>().ok()?, date.get(2..)?);
    ((1..=12).contains(&named) && of.len() == 2).then_some(Partial::Klog(
        named,
        day(of)?,
        second(words.next()?)?,
    ))
}

/// Names that shippers of logs have for the pod that wrote a line, and for its namespace.
/// Sources: Grafana Loki's promtail and alloy, fluent-bit's and fluentd's Kubernetes filters, Elastic's
/// filebeat, OpenTelemetry's semantic conventions.
const PODS: &[(&str, &str)] = &[
    ("pod", "namespace"),
    ("pod_name", "namespace_name"),
    ("kubernetes_pod_name", "kubernetes_namespace_name"),
    ("kubernetes.pod.name", "kubernetes.namespace"),
    ("k8s.pod.name", "k8s.namespace.name"),
    ("k8s_pod_name", "k8s_namespace_name"),
];

/// The pod that wrote a line of JSON, as whoever shipped it says: namespace and name.
pub fn pod_of(line: &str) -> Option<(&str, &str)> {
    // A program's own JSON may well speak of another pod: the shipper puts its words into an envelope.
    let envelope = [
        "\"labels\"",
        "\"stream\"",
        "\"kubernetes",
        "\"k8s",
        "\"resource\"",
    ];
    if !line.starts_with('{') || !envelope.iter().any(|w| line.contains(w)) {
        return None;
    }
    PODS.iter()
        .find_map(|(pod, namespace)| Some((field(line, namespace)?, field(line, pod)?)))
        .filter(|(_, pod)| !pod.is_empty() && !pod.contains('/'))
}

/// The text of a field of a JSON line, as it is written there.
fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let mut from = 0;
    while let Some(at) = line.get(from..)?.find(name) {
        let start = from + at;
        let end = start + name.len();
        let quoted = line.get(..start)?.ends_with('"') && line.get(end..)?.starts_with('"');
        if let Some(value) = line.get(end + 1..)?.trim_start().strip_prefix(':')
            && quoted
        {
            return value.trim_start().strip_prefix('"')?.split('"').next();
        }
        from = end;
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

/// Host and program of a line as journald and syslog print them: `Mar 10 11:00:00 n1 k3s[812]: …`, the same
/// with an ISO time, and journald's JSON.
pub fn origin(line: &str) -> Option<Origin<'_>> {
    let line = line.trim_start();
    if line.starts_with('{') {
        let unit = field(line, "SYSLOG_IDENTIFIER")
            .or_else(|| field(line, "_COMM"))
            .or_else(|| field(line, "_SYSTEMD_UNIT").map(|u| u.trim_end_matches(".service")));
        return plain(field(line, "_HOSTNAME")?, unit?);
    }
    syslog(line).map(|(origin, _)| origin)
}

/// Origin and message of a line that begins with a time, a host and a program.
fn syslog(line: &str) -> Option<(Origin<'_>, &str)> {
    let mut rest = line;
    let mut word = || {
        let from = rest.trim_ascii_start();
        let end = from
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(from.len());
        let (word, behind) = from.split_at(end);
        rest = behind;
        (!word.is_empty()).then_some(word)
    };
    let first = word()?;
    if MONTHS.contains(&first) {
        let day: u8 = word()?.parse().ok()?;
        let time = word()?;
        if !(1..=31).contains(&day) || time.matches(':').count() != 2 {
            return None;
        }
    } else if rfc3339(first).is_none() {
        return None;
    }
    let host = word()?;
    let unit = word()?;
    let program = unit.strip_suffix(':')?.split('[').next()?;
    Some((plain(host, program)?, rest.trim_ascii_start()))
}

/// Names, and nothing that only stands where names would.
fn plain<'l>(host: &'l str, unit: &'l str) -> Option<Origin<'l>> {
    let name = |s: &str| {
        !s.is_empty()
            && s.chars().all(|c| {
                c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '@' | '(' | ')')
            })
    };
    (name(host) && name(unit)).then_some(Origin { host, unit })
}

/// Fields of an entry as journald exports it that say whose it is.
const FIELDS: usize = 64;

/// Host, program and time of a message in journald's export format (`-o export`), in which an entry is one
/// field a line and a blank line its end. `at` lies in the line with the message.
///
/// Source: systemd, JOURNAL_EXPORT_FORMATS.
pub fn exported(text: &[u8], at: usize) -> Option<(Origin<'_>, Option<Timestamp>)> {
    let own = crate::line_range(text, at);
    text.get(own.clone())?.strip_prefix(b"MESSAGE=")?;
    let (mut host, mut unit, mut command, mut time) = (None, None, None, None);
    let mut note = |line: &std::ops::Range<usize>| -> bool {
        let said = text.get(line.clone()).unwrap_or_default();
        let Some((key, value)) = std::str::from_utf8(said)
            .ok()
            .and_then(|l| l.split_once('='))
        else {
            return false;
        };
        match key {
            "_HOSTNAME" => host = Some(value),
            "SYSLOG_IDENTIFIER" => unit = Some(value),
            "_COMM" => command = Some(value),
            "__REALTIME_TIMESTAMP" => time = value.parse().ok(),
            _ => {}
        }
        true
    };
    let mut line = own.clone();
    for _ in 0..FIELDS {
        let Some(before) = line.start.checked_sub(1) else {
            break;
        };
        line = crate::line_range(text, before);
        if !note(&line) {
            break;
        }
    }
    line = own;
    for _ in 0..FIELDS {
        if line.end + 1 >= text.len() {
            break;
        }
        line = crate::line_range(text, line.end + 1);
        if !note(&line) {
            break;
        }
    }
    let time = time.and_then(|t| Timestamp::from_microsecond(t).ok());
    Some((plain(host?, unit.or(command)?)?, time))
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

/// The line with backslash-escaped quotes as plain quotes, as logrus and JSON write them, however often one
/// wrapped the other.
pub fn unescape(line: &str) -> std::borrow::Cow<'_, str> {
    if !line.contains("\\\"") {
        return line.into();
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(quote) = rest.find("\\\"") {
        let (head, behind) = rest.split_at(quote);
        out.push_str(head.trim_end_matches('\\'));
        rest = behind.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    out.into()
}

/// Where a byte of the unescaped line stands in the line as it is written.
pub fn written(line: &str, plain: usize) -> usize {
    let (mut at, mut gone) = (0, 0);
    while let Some(quote) = line.get(at..).and_then(|r| r.find("\\\"")) {
        let quote = at + quote + 1;
        let head = line.get(at..quote).unwrap_or_default();
        let slashes = head.len() - head.trim_end_matches('\\').len();
        if quote - slashes - gone > plain {
            break;
        }
        gone += slashes;
        at = quote;
    }
    (plain + gone).min(line.len())
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
    fn shippers_say_whose_a_line_is() {
        for line in [
            r#"{"line":"x","labels":{"namespace":"shop","pod":"till-0","stream":"stderr"}}"#,
            r#"{"log":"x","stream":"stdout","kubernetes":{"pod_name":"till-0","namespace_name":"shop"}}"#,
            r#"{"body":"x","resource":{"k8s.pod.name":"till-0","k8s.namespace.name":"shop"}}"#,
        ] {
            assert_eq!(pod_of(line), Some(("shop", "till-0")), "{line}");
        }
        let own = r#"{"level":"error","msg":"can't evict","namespace":"shop","pod":"till-0"}"#;
        assert_eq!(pod_of(own), None, "what it speaks of is not who speaks");
    }

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
        assert_eq!(
            t("Nov 21 07:53:16 n1 k3s[1]: time=\"2026-11-21T07:53:16Z\" level=info").as_deref(),
            Some("2026-11-21T07:53:16Z")
        );
        assert_eq!(
            t("{\"_HOSTNAME\":\"n1\",\"__REALTIME_TIMESTAMP\":\"1795247596000000\",\"MESSAGE\":\"x\"}")
                .as_deref(),
            Some("2026-11-21T07:53:16Z")
        );
        assert_eq!(
            t("{\"log\":\"x\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-21T07:53:16.5Z\"}")
                .as_deref(),
            Some("2026-11-21T07:53:16.5Z")
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
    fn partial_stamps_are_read_in_three_forms() {
        assert_eq!(
            partial_of("Nov  1 07:53:16 n1 k3s[1]: x"),
            Some(Partial::Syslog(11, 1, 28_396))
        );
        assert_eq!(
            partial_of("E1121 07:53:16.759693 1 a.go:1] x"),
            Some(Partial::Klog(11, 21, 28_396))
        );
        assert_eq!(
            partial_of("[Sat Nov 21 07:53:16 2026] EXT4-fs error"),
            Some(Partial::Kernel(11, 21, 28_396))
        );
        for none in [
            "[ 12.345678] x",
            "Error 07:53:16",
            "Nov 41 07:53:16 n",
            "E1321 07:53:16 x",
            "May be",
            "",
        ] {
            assert_eq!(partial_of(none), None, "{none}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_line_has_a_partial_stamp_or_none(line in "[IWEF\\[]?[A-Za-z0-9:. \\[\\]é]{0,40}") {
            let _ = partial_of(&line);
        }
    }

    #[test]
    fn journals_name_host_and_program() {
        let o = |s: &'static str| origin(s).map(|o| (o.host, o.unit));
        let want = Some(("n1", "k3s"));
        assert_eq!(o("Mar 10 11:00:00 n1 k3s[812]: time=\"x\""), want);
        assert_eq!(o("2026-03-10T11:00:00+0000 n1 k3s[812]: x"), want);
        assert_eq!(o("Mar  1 11:00:00 n1 k3s: x"), want);
        assert_eq!(
            o("{\"MESSAGE\":\"x\",\"_HOSTNAME\":\"n1\",\"SYSLOG_IDENTIFIER\":\"k3s\"}"),
            want
        );
        assert_eq!(o("{\"_HOSTNAME\":\"n1\",\"_COMM\" : \"k3s\"}"), want);
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

    #[test]
    fn exported_entries_say_whose_they_are() {
        let text = b"__CURSOR=a\n__REALTIME_TIMESTAMP=1795247596000000\n_HOSTNAME=n1\nMESSAGE=it broke\nSYSLOG_IDENTIFIER=k3s\n\n_HOSTNAME=n2\nMESSAGE=other\n_COMM=sshd\n";
        let at = |what: &[u8]| memchr::memmem::find(text, what).unwrap();
        let (origin, time) = exported(text, at(b"it broke")).unwrap();
        assert_eq!((origin.host, origin.unit), ("n1", "k3s"));
        assert_eq!(time.unwrap().to_string(), "2026-11-21T07:53:16Z");
        let (origin, time) = exported(text, at(b"other")).unwrap();
        assert_eq!((origin.host, origin.unit, time), ("n2", "sshd", None));
        assert_eq!(exported(text, at(b"n2")), None);
    }

    #[test]
    fn escapes_go_at_every_depth() {
        for (line, plain) in [
            (r#"a \"b\" c"#, r#"a "b" c"#),
            (r#"a \\\"b\\\" \\n"#, r#"a "b" \\n"#),
            ("none", "none"),
        ] {
            assert_eq!(unescape(line), plain);
            for (at, c) in plain.char_indices().filter(|(_, c)| c.is_alphabetic()) {
                assert_eq!(
                    line.get(written(line, at)..).unwrap().chars().next(),
                    Some(c)
                );
            }
        }
    }
}
