//! Logs are read once, for all signals together: one automaton over the anchors, the full pattern
//! only on lines that hold one.
//!
//! Deliberately absent: keeping of lines. Per signal and file there is a count and five exemplars.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use defib_formats::{line_range, log};
use defib_model::EntityId;
use defib_model::signal::{Hit, LogLine, LogTail, Signal};
use regex::Regex;

/// Exemplar lines that are kept per signal and file.
const EXEMPLARS: usize = 5;
/// Last lines that are kept per container.
const TAIL: usize = 5;
/// Bytes of one line that are read around a hit: a line may be as long as its file.
const BEFORE: usize = 4 << 10;
const AFTER: usize = 12 << 10;

/// The compiled signals.
pub struct SignalSet {
    automaton: Option<AhoCorasick>,
    /// Signals in the order of the automaton's patterns.
    rows: Vec<Row>,
}

/// A signal, and its full pattern once a line asked for it: most logs ask for few of hundreds.
struct Row {
    signal: &'static Signal,
    pattern: OnceLock<Option<Regex>>,
}

impl Row {
    fn pattern(&self) -> Option<&Regex> {
        self.pattern
            .get_or_init(|| {
                (!self.signal.pattern.is_empty())
                    .then(|| Regex::new(self.signal.pattern).ok())
                    .flatten()
            })
            .as_ref()
    }
}

impl SignalSet {
    /// Compiles the tables. A signal whose pattern does not compile is matched by its anchor alone;
    /// a test of the tables makes sure that there is none.
    pub fn new(signals: impl IntoIterator<Item = &'static Signal>) -> Self {
        let rows: Vec<Row> = signals
            .into_iter()
            .map(|signal| Row {
                signal,
                pattern: OnceLock::new(),
            })
            .collect();
        let automaton = AhoCorasick::new(rows.iter().map(|r| r.signal.anchor)).ok();
        Self { automaton, rows }
    }
}

/// Whose log a stretch of text is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    pub entity: Option<EntityId>,
    pub container: String,
}

/// What one file gave.
#[derive(Debug, Default)]
pub struct Scanned {
    pub hits: Vec<Hit>,
    pub tails: Vec<LogTail>,
    pub lines: u64,
    pub last: Option<jiff::Timestamp>,
}

/// Reads one log. `owner` is whose it is, where the question said so; marks of `cluster-info dump`
/// in the text say it otherwise.
pub fn scan(
    set: &SignalSet,
    entry: u32,
    bytes: &[u8],
    range: Range<usize>,
    owner: Owner,
    events: &[(Range<usize>, EntityId)],
) -> Scanned {
    let base = range.start;
    let part = bytes.get(range.clone()).unwrap_or_default();
    let mut scan = Scan {
        set,
        entry,
        bytes,
        events,
        lines: LineCounter { at: 0, line: 1 },
        out: Scanned {
            lines: memchr::memchr_iter(b'\n', part).count() as u64,
            ..Scanned::default()
        },
    };
    if part.last().is_some_and(|b| *b != b'\n') {
        scan.out.lines += 1;
    }
    let marked = memchr::memmem::find(
        part.get(..part.len().min(65_536)).unwrap_or_default(),
        b"==== START logs for container ",
    )
    .is_some();
    if !marked {
        scan.stretch(range, &owner);
    } else {
        let mut start = base;
        let mut current = owner;
        let mut marks = Vec::new();
        log::lines(part, |_, at, line| {
            if line.starts_with(b"==== ")
                && let Some(mark) = std::str::from_utf8(line).ok().and_then(log::dump_mark)
            {
                marks.push((base + at, base + at + line.len(), mark));
            }
        });
        for (at, end, mark) in marks {
            if mark.start {
                current = Owner {
                    entity: Some(EntityId::object("Pod", "", &mark.namespace, &mark.pod)),
                    container: mark.container,
                };
            } else {
                scan.stretch(start..at, &current);
                current = Owner::default();
            }
            start = (end + 1).min(range.end);
        }
        if start < range.end {
            scan.stretch(start..range.end, &current);
        }
    }
    let mut out = scan.out;
    out.last = out.hits.iter().filter_map(|h| h.last).max().or(out.last);
    out
}

/// One log being read.
struct Scan<'a> {
    set: &'a SignalSet,
    entry: u32,
    bytes: &'a [u8],
    events: &'a [(Range<usize>, EntityId)],
    lines: LineCounter,
    out: Scanned,
}

impl Scan<'_> {
    fn stretch(&mut self, range: Range<usize>, owner: &Owner) {
        let Self {
            set,
            entry,
            bytes,
            events,
            lines,
            out,
        } = self;
        let (entry, bytes) = (*entry, *bytes);
        let text = bytes.get(range.clone()).unwrap_or_default();
        if let Some(automaton) = &set.automaton {
            let mut seen = (usize::MAX, Vec::new());
            for found in automaton.find_overlapping_iter(text) {
                let line = line_range(text, found.start());
                let row = found.pattern().as_usize();
                // Of a line that is longer than any program writes, a piece counts as a line.
                let piece = line.start + (found.start() - line.start) / AFTER * AFTER;
                if seen.0 != piece {
                    seen = (piece, Vec::new());
                }
                if seen.1.contains(&row) {
                    continue;
                }
                seen.1.push(row);
                let Some(row) = set.rows.get(row) else {
                    continue;
                };
                let (signal, pattern) = (row.signal, row.pattern());
                let from = line.start.max(found.start().saturating_sub(BEFORE));
                let to = line.end.min(found.start() + AFTER);
                let said = String::from_utf8_lossy(text.get(from..to).unwrap_or_default());
                let plain = log::unescape(said.trim_end_matches('\r'));
                let hit = found.start() - from;
                let (groups, span) = match pattern {
                    None => (Vec::new(), hit..hit),
                    Some(regex) => match regex.captures(&plain) {
                        None => continue,
                        Some(c) => (
                            c.iter()
                                .skip(1)
                                .map(|g| g.map_or(String::new(), |g| g.as_str().to_owned()))
                                .collect(),
                            c.get(0).map_or(hit..hit, |m| {
                                written(&said, m.start())..written(&said, m.end())
                            }),
                        ),
                    },
                };
                let head = text.get(line.start..line.end.min(line.start + 512));
                let time = log::time_of(&String::from_utf8_lossy(head.unwrap_or_default()));
                let number = lines.number(bytes, range.start + line.start);
                let quoted = around(said.trim_end_matches('\r'), hit, span);
                let at = range.start + found.start();
                let event = events
                    .iter()
                    .find(|(r, _)| r.contains(&at))
                    .map(|(_, about)| about);
                let origin = if owner.entity.is_none() && event.is_none() {
                    let head = String::from_utf8_lossy(head.unwrap_or_default());
                    log::origin(&head).unwrap_or_default()
                } else {
                    log::Origin::default()
                };
                record(
                    out,
                    signal,
                    entry,
                    owner,
                    event,
                    origin,
                    LogLine {
                        line: number,
                        text: quoted,
                        time,
                        groups,
                    },
                );
            }
        }
        // Whose it is may become known by the other files.
        let entity = owner.entity.clone().unwrap_or_default();
        let mut tail: Vec<LogLine> = Vec::new();
        let mut end = text.len();
        let mut number = lines.number(bytes, range.end.saturating_sub(1));
        while tail.len() < TAIL && end > 0 {
            let body = text.get(..end).unwrap_or_default();
            let body = body.strip_suffix(b"\n").unwrap_or(body);
            let start = memchr::memrchr(b'\n', body).map_or(0, |i| i + 1);
            let head = body.len().min(start + BEFORE);
            let line = String::from_utf8_lossy(body.get(start..head).unwrap_or_default());
            if !line.trim().is_empty() {
                tail.push(LogLine {
                    line: number,
                    text: around(line.trim_end(), 0, 0..0),
                    time: log::time_of(&line),
                    groups: Vec::new(),
                });
            }
            number = number.saturating_sub(1);
            end = start;
        }
        tail.reverse();
        if !tail.is_empty() {
            out.tails.push(LogTail {
                entity,
                container: owner.container.clone(),
                entry,
                lines: tail,
            });
        }
    }
}

/// Where a place of the unescaped line stands in the line as written.
fn written(line: &str, plain: usize) -> usize {
    let mut at = 0;
    let mut escapes = 0;
    for (i, _) in line.match_indices("\\\"") {
        if i - escapes >= plain {
            break;
        }
        escapes += 1;
        at = escapes;
    }
    (plain + at).min(line.len())
}

/// At most 400 characters of a line: all that matched where that is short enough, in its middle, else
/// what stands around the byte at `hit`.
fn around(line: &str, hit: usize, span: Range<usize>) -> String {
    const LIMIT: usize = defib_model::report::QUOTE_LIMIT;
    if line.len() <= LIMIT {
        return line.to_owned();
    }
    // These are places in bytes; what was repaired before them may have moved them a little.
    let wanted = if !span.is_empty() && span.len() <= LIMIT {
        span.start.saturating_sub((LIMIT - span.len()) / 2)
    } else {
        hit.saturating_sub(120)
    };
    let mut start = wanted.min(line.len() - LIMIT);
    while !line.is_char_boundary(start) {
        start -= 1;
    }
    line.get(start..)
        .unwrap_or_default()
        .chars()
        .take(LIMIT)
        .collect()
}

/// Line numbers of ever later places, counted once.
struct LineCounter {
    at: usize,
    line: u64,
}

impl LineCounter {
    fn number(&mut self, text: &[u8], start: usize) -> u64 {
        if let Some(between) = text.get(self.at..start) {
            self.line += memchr::memchr_iter(b'\n', between).count() as u64;
            self.at = start;
        }
        self.line
    }
}

fn record(
    out: &mut Scanned,
    signal: &'static Signal,
    entry: u32,
    owner: &Owner,
    event: Option<&EntityId>,
    origin: log::Origin,
    line: LogLine,
) {
    let (time, number) = (line.time, line.line);
    let entity = event
        .filter(|e| !e.as_str().is_empty())
        .or(owner.entity.as_ref())
        .cloned();
    let known = out.hits.iter_mut().find(|h| {
        h.signal == signal.id
            && h.entity == entity
            && h.container == owner.container
            && h.host == origin.host
            && h.program == origin.unit
            && h.event == event.is_some()
    });
    match known {
        Some(hit) => {
            hit.count += 1;
            if hit.lines.len() < EXEMPLARS {
                hit.lines.push(line);
            }
            hit.first = hit.first.or(time);
            hit.last = time.or(hit.last);
            hit.last_line = number;
        }
        None => out.hits.push(Hit {
            signal: signal.id,
            entity,
            container: owner.container.clone(),
            host: origin.host,
            program: origin.unit,
            event: event.is_some(),
            entry,
            count: 1,
            lines: vec![line],
            first: time,
            last: time,
            last_line: number,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use defib_model::signal::Mark;

    static SIGNALS: [Signal; 2] = [
        Signal {
            id: "t.loop",
            anchor: "plugin/loop",
            pattern: r#"Loop \((\S+) ->"#,
            unit: "coredns",
            mark: Mark::Cause,
            versions: "",
            source: "",
        },
        Signal {
            id: "t.name",
            anchor: "name resolution",
            pattern: "",
            unit: "app",
            mark: Mark::Symptom,
            versions: "",
            source: "",
        },
    ];

    #[test]
    fn dump_marks_say_whose_log_it_is() {
        let text = b"==== START logs for container c of pod k/p ====\nok\n[FATAL] plugin/loop: Loop (1.2.3.4:5 -> :53)\n==== END logs for container c of pod k/p ====\n==== START logs for container d of pod k/q ====\nfailure in name resolution\n==== END logs for container d of pod k/q ====\n";
        let got = scan(
            &SignalSet::new(&SIGNALS),
            0,
            text,
            0..text.len(),
            Owner::default(),
            &[],
        );
        assert_eq!(got.hits.len(), 2);
        let hit = &got.hits[0];
        assert_eq!(
            (hit.entity.as_ref().unwrap().as_str(), hit.lines[0].line),
            ("pod/k/p", 3)
        );
        assert_eq!(hit.lines[0].groups, ["1.2.3.4:5"]);
        assert_eq!(got.hits[1].lines[0].line, 6);
        assert_eq!(got.tails.len(), 2);
        assert_eq!(
            got.tails[0]
                .lines
                .iter()
                .map(|l| l.line)
                .collect::<Vec<_>>(),
            [2, 3]
        );
    }

    #[test]
    fn long_lines_are_quoted_around_what_matched() {
        let far = "x".repeat(900);
        let line = format!("{far} \\\"Loop (1.2.3.4:5 ->\\\" plugin/loop {far}");
        let got = scan(
            &SignalSet::new(&SIGNALS),
            0,
            line.as_bytes(),
            0..line.len(),
            Owner::default(),
            &[],
        );
        let text = &got.hits[0].lines[0].text;
        assert!(text.chars().count() <= 400 && line.contains(text.as_str()));
        assert!(text.contains("Loop (1.2.3.4:5 ->"), "{text}");
        let at = text.find("Loop (").unwrap();
        assert!((150..250).contains(&at), "in its middle, not at {at}");
        assert_eq!(written("a\\\"b\\\"c", 4), 6);
        assert_eq!(
            around(&format!("{far}é end"), 900, 0..0).chars().last(),
            Some('d')
        );
    }
}
