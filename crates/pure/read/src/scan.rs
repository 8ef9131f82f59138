//! Logs are read once, for all signals together: one automaton over the anchors, the full pattern
//! only on lines that hold one.
//!
//! Deliberately absent: keeping of lines. Per signal and file there is a count and five exemplars.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use defib_formats::literals::Literals;
use defib_formats::{line_range, log};
use defib_model::EntityId;
use defib_model::signal::{Hit, LogLine, LogTail, Signal};
use rayon::prelude::*;
use regex::Regex;

use crate::places::{Key, Places, key};

use line::{Heard, around, earlier, later, local_of, lossy};

mod line;

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
    /// The same as a table of states, twice as fast: made for large texts, since making it takes as long as
    /// searching some megabytes.
    table: OnceLock<Option<Literals>>,
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
        Self {
            automaton,
            table: OnceLock::new(),
            rows,
        }
    }

    /// Where anchors stand in a text, and of which signals; how it is sought depends on the length of the
    /// whole.
    fn find(&self, text: &[u8], whole: usize) -> Vec<(usize, usize)> {
        let table = (whole >= LARGE).then(|| {
            self.table
                .get_or_init(|| Literals::new(self.rows.iter().map(|r| r.signal.anchor), false))
        });
        if let Some(Some(table)) = table {
            let found = table.find(text, 0..text.len()).into_iter();
            return found.map(|f| (f.start, f.literal)).collect();
        }
        self.automaton.as_ref().map_or(Vec::new(), |a| {
            a.find_overlapping_iter(text)
                .map(|m| (m.start(), m.pattern().as_usize()))
                .collect()
        })
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
    places: Places,
}

/// Bytes from which on a text is worth a table of states.
const LARGE: usize = 4 << 20;
/// Bytes from which on a text is worth more than one thread.
const WIDE: usize = 1 << 20;

/// A log being read. Its text may come in pieces; each ends with a line, or breaks one that no program
/// writes.
pub struct Log {
    entry: u32,
    /// Whose it is from here on: where the question said so, or by the marks of `cluster-info dump`.
    owner: Owner,
    marked: Option<bool>,
    /// Bytes and lines in front of what comes next.
    at: usize,
    skipped: u64,
    out: Scanned,
}

impl Log {
    /// A log of this entry that begins behind this text.
    pub fn new(entry: u32, owner: Owner, before: &[u8]) -> Self {
        let skipped = memchr::memchr_iter(b'\n', before).count() as u64;
        Self {
            entry,
            owner,
            marked: None,
            at: before.len(),
            skipped,
            out: Scanned {
                lines: skipped,
                ..Scanned::default()
            },
        }
    }

    /// Reads more of it. `events` are the places of the entry that were read as events.
    pub fn take(&mut self, set: &SignalSet, text: &[u8], events: &[(Range<usize>, EntityId)]) {
        let marked = *self.marked.get_or_insert_with(|| {
            let head = text.get(..text.len().min(65_536)).unwrap_or_default();
            memchr::memmem::find(head, b"==== START logs for container ").is_some()
        });
        if marked {
            self.marked(set, text, events);
        } else {
            self.stretch(set, text, 0..text.len(), events);
        }
        self.at += text.len();
    }

    /// Text in which marks say whose it is. What stands between two containers' logs is nobody's.
    fn marked(&mut self, set: &SignalSet, text: &[u8], events: &[(Range<usize>, EntityId)]) {
        let mut marks = Vec::new();
        log::lines(text, |_, at, line| {
            if line.starts_with(b"==== ")
                && let Some(mark) = std::str::from_utf8(line).ok().and_then(log::dump_mark)
            {
                marks.push((at, at + line.len(), mark));
            }
        });
        let mut start = 0;
        for (at, end, mark) in marks {
            let end = (end + 1).min(text.len());
            if mark.start {
                if self.owner.entity.is_some() {
                    self.stretch(set, text, start..at, events);
                    start = at;
                }
                self.out.lines += count(text.get(start..end).unwrap_or_default());
                self.owner = Owner {
                    entity: Some(EntityId::object("Pod", "", &mark.namespace, &mark.pod)),
                    container: mark.container,
                };
            } else {
                self.stretch(set, text, start..at, events);
                self.out.lines += count(text.get(at..end).unwrap_or_default());
                self.owner = Owner::default();
            }
            start = end;
        }
        self.stretch(set, text, start..text.len(), events);
    }

    /// What it gave.
    pub fn finish(self) -> Scanned {
        let mut out = self.out;
        out.lines -= self.skipped;
        out.last = out.hits.iter().filter_map(|h| h.last).max();
        out
    }

    /// A stretch of one owner's lines, on as many threads as it is worth.
    fn stretch(
        &mut self,
        set: &SignalSet,
        text: &[u8],
        range: Range<usize>,
        events: &[(Range<usize>, EntityId)],
    ) {
        let (entry, owner, at, before) = (self.entry, &self.owner, self.at, &self.out);
        let whole = range.len();
        let one = |r: Range<usize>| {
            let base = at + r.start;
            let part = text.get(r).unwrap_or_default();
            Part {
                set,
                whole,
                entry,
                owner,
                events,
                base,
                before,
            }
            .read(part)
        };
        let parts = pieces(text, range);
        let found: Vec<Scanned> = match parts.as_slice() {
            [] => return,
            [whole] => vec![one(whole.clone())],
            _ => parts.into_par_iter().map(one).collect(),
        };
        for part in found {
            self.out.absorb(part);
        }
    }
}

/// The range in parts that end with lines, some for every thread.
fn pieces(text: &[u8], range: Range<usize>) -> Vec<Range<usize>> {
    // More parts than threads: those have other work to do meanwhile.
    let each = (range.len() / (4 * rayon::current_num_threads().max(1))).max(WIDE);
    let mut out = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let cut = (start + each).min(range.end);
        let end = memchr::memchr(b'\n', text.get(cut..range.end).unwrap_or_default())
            .map_or(range.end, |n| cut + n + 1);
        out.push(start..end);
        start = end;
    }
    out
}

/// Lines of a text; the last may have no end.
fn count(text: &[u8]) -> u64 {
    let ends = memchr::memchr_iter(b'\n', text).count() as u64;
    ends + u64::from(text.last().is_some_and(|b| *b != b'\n'))
}

impl Scanned {
    /// Adds what the lines behind gave.
    fn absorb(&mut self, part: Self) {
        for mut hit in part.hits {
            for line in &mut hit.lines {
                line.line += self.lines;
            }
            hit.last_line += self.lines;
            let known = self.places.find(&self.hits, &key(&hit));
            match known.and_then(|i| self.hits.get_mut(i)) {
                Some(h) => {
                    h.count += hit.count;
                    h.lines.extend(hit.lines);
                    h.lines.truncate(EXEMPLARS);
                    h.first = earlier(h.first, hit.first);
                    h.last = h.last.max(hit.last);
                    h.last_local = later(h.last_local, hit.last_local);
                    h.last_line = hit.last_line;
                }
                None => {
                    self.places.add(&key(&hit), self.hits.len());
                    self.hits.push(hit);
                }
            }
        }
        for mut tail in part.tails {
            for line in &mut tail.lines {
                line.line += self.lines;
            }
            let goes_on = self.tails.last_mut().filter(|t| {
                t.entity == tail.entity
                    && t.container == tail.container
                    && t.lines.last().is_some_and(|l| l.line <= self.lines)
            });
            match goes_on {
                Some(t) => {
                    t.lines.extend(tail.lines);
                    let more = t.lines.len().saturating_sub(TAIL);
                    t.lines.drain(..more);
                }
                None => self.tails.push(tail),
            }
        }
        self.lines += part.lines;
    }
}

/// A part of a log, read by one thread. Its lines are counted from 1.
struct Part<'a> {
    set: &'a SignalSet,
    /// Bytes of the whole of which it is a part.
    whole: usize,
    entry: u32,
    owner: &'a Owner,
    events: &'a [(Range<usize>, EntityId)],
    /// Where the part begins, for `events`.
    base: usize,
    /// What the text in front of it gave, as far as it is known.
    before: &'a Scanned,
}

/// What is known of a part so far.
struct Reading<'t> {
    text: &'t [u8],
    lines: LineCounter,
    out: Scanned,
    /// Of every hit: where its last line begins, and whether no more exemplars of it are wanted.
    hits: Vec<(usize, bool)>,
}

impl Part<'_> {
    fn read(&self, text: &[u8]) -> Scanned {
        let mut reading = Reading {
            text,
            lines: LineCounter { at: 0, line: 1 },
            out: Scanned::default(),
            hits: Vec::new(),
        };
        let found = self.set.find(text, self.whole);
        let mut rest = found.as_slice();
        while let Some((first, _)) = rest.first() {
            // Sought once per line and not per hit: a line may be as long as its file.
            let line = line_range(text, *first);
            let n = rest.iter().take_while(|(at, _)| line.contains(at)).count();
            let (these, behind) = rest.split_at(n.max(1));
            self.line(&mut reading, &line, these);
            rest = behind;
        }
        let Reading {
            mut lines,
            mut out,
            hits,
            ..
        } = reading;
        for (hit, (at, _)) in out.hits.iter_mut().zip(hits) {
            if hit.count > hit.lines.len() as u64 {
                let line = text.get(line_range(text, at)).unwrap_or_default();
                let head = line.get(..line.len().min(AFTER)).unwrap_or_default();
                let head = lossy(head);
                hit.last = hit.last.max(log::time_of(&head));
                hit.last_local = later(hit.last_local, local_of(&head));
            }
        }
        self.tail(text, &mut lines, &mut out);
        // The tail counted as far as the last byte.
        out.lines = if text.is_empty() { 0 } else { lines.line };
        out
    }

    /// The anchors that a line holds. What is known of a line is found out once for all of them.
    fn line(&self, reading: &mut Reading<'_>, line: &Range<usize>, found: &[(usize, usize)]) {
        let text = reading.text;
        let window =
            |at: usize| line.start.max(at.saturating_sub(BEFORE))..line.end.min(at + AFTER);
        let (mut last, mut seen) = (usize::MAX, Vec::new());
        let mut rest = found;
        while let Some((first, _)) = rest.first() {
            let shown = window(*first);
            let n = rest
                .iter()
                .take_while(|(at, _)| window(*at) == shown)
                .count();
            let (these, behind) = rest.split_at(n.max(1));
            rest = behind;
            let said = lossy(text.get(shown.clone()).unwrap_or_default());
            let head = match shown.start == line.start {
                true => Cow::Borrowed(said.as_ref()),
                false => lossy(
                    text.get(line.start..line.end.min(line.start + 512))
                        .unwrap_or_default(),
                ),
            };
            let heard = Heard::new(line.start, shown.start, &said, &head, self.owner);
            for (at, row) in these {
                // Of a line that is longer than any program writes, a piece counts as a line.
                let piece = line.start + (at - line.start) / AFTER * AFTER;
                if last != piece {
                    last = piece;
                    seen.clear();
                }
                if seen.contains(row) {
                    continue;
                }
                seen.push(*row);
                if let Some(row) = self.set.rows.get(*row) {
                    self.hit(reading, row, *at, &heard);
                }
            }
        }
    }

    /// A line holds the anchor of a signal.
    fn hit(&self, reading: &mut Reading<'_>, row: &Row, at: usize, heard: &Heard<'_>) {
        let Reading {
            text,
            lines,
            out,
            hits,
        } = reading;
        let Heard {
            start,
            from,
            said,
            quoted,
            body,
            plain,
            head,
            line_said,
            shipped,
            origin,
        } = heard;
        let (start, from, quoted) = (*start, *from, *quoted);
        let signal = row.signal;
        // Events stand one behind the other.
        let behind = self
            .events
            .partition_point(|(r, _)| r.start <= self.base + at);
        let event = behind
            .checked_sub(1)
            .and_then(|i| self.events.get(i))
            .filter(|(r, _)| r.contains(&(self.base + at)))
            .map(|(_, about)| about);
        let entity = event
            .filter(|e| !e.as_str().is_empty())
            .or(self.owner.entity.as_ref());
        let entity = entity.or(shipped.as_ref());
        let (origin, exported) = if self.owner.entity.is_some() || event.is_some() {
            (log::Origin::default(), None)
        } else if head.starts_with("MESSAGE=") {
            log::exported(text, at).unwrap_or_default()
        } else {
            (*origin, None)
        };
        let whose: Key<'_> = (
            signal.id,
            entity,
            &self.owner.container,
            origin.host,
            origin.unit,
            event.is_some(),
        );
        let enough = |h: &Hit| h.lines.len() >= EXEMPLARS;
        let known = out.places.find(&out.hits, &whose);
        // Once there are exemplars enough, here or in the text before, a line only counts.
        let full = match known {
            Some(i) => {
                out.hits.get(i).is_some_and(enough) || hits.get(i).is_some_and(|(_, full)| *full)
            }
            None => {
                let before = self.before.places.find(&self.before.hits, &whose);
                before
                    .and_then(|i| self.before.hits.get(i))
                    .is_some_and(enough)
            }
        };
        let hit = at - from;
        let (groups, span) = match row.pattern() {
            None => (Vec::new(), hit..hit),
            Some(regex) if full => {
                if !regex.is_match(plain) {
                    return;
                }
                (Vec::new(), hit..hit)
            }
            Some(regex) => match regex.captures(plain) {
                None => return,
                Some(c) => (
                    c.iter()
                        .skip(1)
                        .map(|g| g.map_or(String::new(), |g| g.as_str().to_owned()))
                        .collect(),
                    c.get(0).map_or(hit..hit, |m| {
                        quoted + log::written(body, m.start())..quoted + log::written(body, m.end())
                    }),
                ),
            },
        };
        // The time of the last one is read at the end.
        let time = match full {
            true => exported,
            false => exported.or_else(|| log::time_of(line_said)),
        };
        let local = if full { None } else { local_of(head) };
        let number = lines.number(text, start);
        let exemplar = (!full).then(|| LogLine {
            line: number,
            text: around(said.trim_end_matches('\r'), hit, span),
            time,
            local,
            groups,
        });
        let i = known.unwrap_or(out.hits.len());
        match out.hits.get_mut(i) {
            Some(h) => {
                h.count += 1;
                h.lines.extend(exemplar);
                h.first = earlier(h.first, time);
                h.last = h.last.max(time);
                h.last_local = later(h.last_local, local);
                h.last_line = number;
            }
            None => {
                out.places.add(&whose, out.hits.len());
                out.hits.push(Hit {
                    signal: signal.id,
                    entity: entity.cloned(),
                    container: self.owner.container.clone(),
                    host: origin.host.to_owned(),
                    program: origin.unit.to_owned(),
                    event: event.is_some(),
                    entry: self.entry,
                    count: 1,
                    lines: exemplar.into_iter().collect(),
                    first: time,
                    last: time,
                    last_local: local,
                    last_line: number,
                });
            }
        }
        match hits.get_mut(i) {
            Some((at, _)) => *at = start,
            None => hits.push((start, full)),
        }
    }

    /// The last lines, for troubles that no signal names.
    fn tail(&self, text: &[u8], lines: &mut LineCounter, out: &mut Scanned) {
        let mut tail: Vec<LogLine> = Vec::new();
        let mut end = text.len();
        let mut number = lines.number(text, text.len().saturating_sub(1));
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
                    local: local_of(&line),
                    groups: Vec::new(),
                });
            }
            number = number.saturating_sub(1);
            end = start;
        }
        tail.reverse();
        if !tail.is_empty() {
            out.tails.push(LogTail {
                // Whose it is may become known by the other files.
                entity: self.owner.entity.clone().unwrap_or_default(),
                container: self.owner.container.clone(),
                entry: self.entry,
                lines: tail,
            });
        }
    }
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

    fn scan(text: &[u8]) -> Scanned {
        let mut log = Log::new(0, Owner::default(), b"");
        log.take(&SignalSet::new(&SIGNALS), text, &[]);
        log.finish()
    }

    #[test]
    fn dump_marks_say_whose_log_it_is() {
        let text = b"==== START logs for container c of pod k/p ====\nok\n[FATAL] plugin/loop: Loop (1.2.3.4:5 -> :53)\n==== END logs for container c of pod k/p ====\n==== START logs for container d of pod k/q ====\nfailure in name resolution\n==== END logs for container d of pod k/q ====\n";
        let got = scan(text);
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

    /// The same message in the forms that journald prints it in.
    #[test]
    fn journals_say_whose_they_are_in_every_form() {
        let said = r#"time="2026-11-21T07:53:16Z" msg="plugin/loop: Loop (1.2.3.4:5 -> x)""#;
        let json = serde_json::json!({
            "__CURSOR": "s=1", "_HOSTNAME": "n1", "MESSAGE": said, "_PID": "812",
            "__REALTIME_TIMESTAMP": "1795247596000000", "SYSLOG_IDENTIFIER": "k3s",
        });
        for text in [
            format!("Nov 21 07:53:16 n1 k3s[812]: {said}\n"),
            format!("2026-11-21T07:53:16+0000 n1 k3s[812]: {said}\n"),
            format!("{json}\n"),
            format!(
                "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795247596000000\n_HOSTNAME=n1\nMESSAGE={said}\nSYSLOG_IDENTIFIER=k3s\n\n__CURSOR=s=2\n_HOSTNAME=n2\nMESSAGE=well\n"
            ),
        ] {
            let got = scan(text.as_bytes());
            let hit = &got.hits[0];
            assert_eq!(
                (hit.host.as_str(), hit.program.as_str()),
                ("n1", "k3s"),
                "{text}"
            );
            assert_eq!(hit.lines[0].groups, ["1.2.3.4:5"], "{text}");
            assert_eq!(
                hit.last.map(|t| t.to_string()).as_deref(),
                Some("2026-11-21T07:53:16Z"),
                "{text}"
            );
        }
    }

    /// In pieces or whole, in one thread or many: the same hits, lines and tails.
    #[test]
    fn pieces_give_what_the_whole_gives() {
        let mut text = String::new();
        for n in 0..60_000 {
            let said = match n % 97 {
                0 => "plugin/loop: Loop (1.2.3.4:5 -> :53)",
                1 => "failure in name resolution",
                _ => "all is well, and a few words more to fill the line",
            };
            text.push_str(&format!("Nov 21 07:53:16 n{} k3s[1]: {n} {said}\n", n % 3));
        }
        let set = SignalSet::new(&SIGNALS);
        let show = |s: &Scanned| {
            let hits: Vec<_> = s
                .hits
                .iter()
                .map(|h| {
                    format!(
                        "{} {} {} {} {:?}",
                        h.signal, h.host, h.count, h.last_line, h.lines
                    )
                })
                .collect();
            let tails: Vec<_> = s.tails.iter().map(|t| format!("{:?}", t.lines)).collect();
            (hits, tails, s.lines)
        };
        let whole = show(&scan(text.as_bytes()));
        assert_eq!((whole.0.len(), whole.2), (6, 60_000));
        for size in [1 << 10, 100_000, 3 << 20] {
            let mut log = Log::new(0, Owner::default(), b"");
            let mut at = 0;
            while at < text.len() {
                let end = (at + size).min(text.len());
                let end = text[..end].rfind('\n').map_or(end, |n| n + 1);
                log.take(&set, &text.as_bytes()[at..end], &[]);
                at = end;
            }
            assert_eq!(show(&log.finish()), whole, "{size}");
        }
    }

    #[test]
    fn long_lines_are_quoted_around_what_matched() {
        let far = "x".repeat(900);
        let line = format!("{far} \\\"Loop (1.2.3.4:5 ->\\\" plugin/loop {far}");
        let got = scan(line.as_bytes());
        let text = &got.hits[0].lines[0].text;
        assert!(text.chars().count() <= 400 && line.contains(text.as_str()));
        assert!(text.contains("Loop (1.2.3.4:5 ->"), "{text}");
        let at = text.find("Loop (").unwrap();
        assert!((150..250).contains(&at), "in its middle, not at {at}");
        assert_eq!(
            around(&format!("{far}é end"), 900, 0..0).chars().last(),
            Some('d')
        );
    }
}
