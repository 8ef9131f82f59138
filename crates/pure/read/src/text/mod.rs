//! Text that is neither objects nor a log: what commands printed, and the commands themselves.
//!
//! A transcript is walked once. At every line the readers of printed forms are asked in turn whether
//! one of their forms begins here; what none of them knows is left to the signals, as all text is.
//! Deliberately absent: what the facts mean for the cluster.

mod again;
mod asked;
mod bare;
mod checks;
mod container;
mod describe;
mod devices;
mod etcdctl;
mod events;
mod files;
mod host;
mod objects;
mod paths;
mod probes;
mod reach;
mod settings;
mod units;

use std::ops::Range;

use defib_formats::text::{self, Command, Line};
use defib_model::cluster::Origin;
use defib_model::fact::{Fact, Value};
use defib_model::id::EntityId;
use defib_model::kubectl;
use defib_model::views::Event;

use crate::history;
use crate::kinds;
use crate::object::{self, Parsed};
use crate::scan::Owner;

/// The name of a thing that the text does not name.
pub(crate) const UNNAMED: &str = "unnamed";

/// Text beyond this is a log, whatever it begins with: nobody pastes so much output.
const MAX_TEXT: usize = 4 << 20;
/// Lines that are looked at, and facts that are taken, of one text.
const MAX_LINES: usize = 100_000;

/// What a text gave besides its log lines.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Facts.
    pub facts: Vec<Fact>,
    /// Objects, as far as the printed form shows them.
    pub objects: Vec<Parsed>,
    /// Events, and where each stands.
    pub events: Vec<(Event, Origin)>,
    /// Manifests in the middle of other text.
    pub manifests: Vec<Range<usize>>,
    /// What was read as events, and what each is about: these words are no log's.
    pub heard: Vec<(Range<usize>, EntityId)>,
    /// Where events stand that are over: nobody's words any more.
    pub past: Vec<Range<usize>>,
    /// Kinds without namespaces of which a command listed all.
    pub listed: Vec<&'static str>,
    /// What `kubectl logs` printed, and whose log it is.
    pub logs: Vec<(Range<usize>, Owner)>,
}

impl Taken {
    /// It shows commands, or what they failed with.
    pub fn is_transcript(&self) -> bool {
        self.facts
            .iter()
            .any(|f| matches!(f.value, Value::Ran(_) | Value::Error(_)))
    }
}

/// The walk over one text.
pub(crate) struct Walk<'t> {
    pub entry: u32,
    pub bytes: &'t [u8],
    pub lines: Vec<Line<'t>>,
    /// The command whose output this is, if the transcript shows one.
    pub command: Option<Command>,
    /// The commands of its line whose tables did not come yet, if there are several.
    pub parts: Vec<Command>,
    /// The command that opened a shell in a container, as long as its prompts follow.
    pub shell: Option<container::Shell>,
    /// The folder whose listing this is, if a heading above it names one; empty otherwise.
    pub folder: String,
    pub out: Taken,
}

/// Reads a text.
pub(crate) fn read(bytes: &[u8], entry: u32) -> Taken {
    let mut walk = Walk {
        entry,
        bytes,
        lines: text::lines(
            bytes.get(..bytes.len().min(MAX_TEXT)).unwrap_or_default(),
            MAX_LINES,
        ),
        command: None,
        parts: Vec::new(),
        shell: None,
        folder: String::new(),
        out: Taken::default(),
    };
    let mut at = 0;
    while at < walk.lines.len() {
        at = walk.step(at).max(at + 1);
    }
    // What was cut off may be one more of anything.
    if bytes.len() > MAX_TEXT || walk.lines.len() >= MAX_LINES {
        walk.out.listed.clear();
    }
    settle(&mut walk.out);
    again::settle(&mut walk);
    pending(&mut walk);
    // They are sought by their place.
    walk.out.heard.sort_by_key(|(range, _)| range.start);
    walk.out
}

/// A reader of one printed form: the line after it, if it begins here.
type Form = fn(&mut Walk<'_>, usize) -> Option<usize>;

/// The forms, the most particular first.
const FORMS: &[Form] = &[
    paths::read,
    manifest,
    etcdctl::read,
    checks::read,
    files::read,
    units::read,
    events::table,
    objects::table,
    describe::read,
    events::logged,
    events::rows,
    objects::loose,
    reach::read,
    bare::read,
    devices::read,
    host::read,
    checks::row,
    settings::read,
];

impl<'t> Walk<'t> {
    fn step(&mut self, at: usize) -> usize {
        let Some(line) = self.lines.get(at) else {
            return at + 1;
        };
        if line.is_blank() {
            return at + 1;
        }
        if let Some(command) = text::command(line) {
            let ran = Value::Ran(command.words.clone());
            settings::flags(self, at, &command);
            self.shell = container::opened(&command).or_else(|| {
                let opened = self.shell.take();
                opened.filter(|by| container::is_within(by, &command))
            });
            self.parts = command.parts();
            self.command = Some(command);
            self.folder.clear();
            self.fact(at..at + 1, ran);
            return self.logs(at + 1).unwrap_or(at + 1);
        }
        FORMS
            .iter()
            .find_map(|form| form(self, at))
            .unwrap_or(at + 1)
    }

    /// The line's text.
    pub fn text(&self, at: usize) -> &str {
        self.lines
            .get(at)
            .map(|l| l.text.as_ref())
            .unwrap_or_default()
    }

    /// Is there such a line, and is it neither blank nor a command?
    pub fn is_output(&self, at: usize) -> bool {
        self.lines
            .get(at)
            .is_some_and(|l| !l.is_blank() && text::command(l).is_none())
    }

    /// What follows `kubectl logs POD` is that pod's log, up to the next command.
    fn logs(&mut self, at: usize) -> Option<usize> {
        let (command, words) = self.kubectl()?;
        if words.first() != Some(&"logs") {
            return None;
        }
        let pod = words.get(1)?.trim_start_matches("pod/").to_owned();
        if pod.contains('/') {
            // A log by its Deployment: which pod wrote it, nobody knows.
            return None;
        }
        let owner = Owner {
            entity: Some(EntityId::object(
                "Pod",
                "",
                command.option("-n", "--namespace").unwrap_or_default(),
                &pod,
            )),
            container: command
                .option("-c", "--container")
                .or(words.get(2).copied())
                .unwrap_or_default()
                .to_owned(),
        };
        let mut end = at;
        while self
            .lines
            .get(end)
            .is_some_and(|l| text::command(l).is_none())
        {
            end += 1;
        }
        let origin = self.origin(at..end);
        self.out
            .logs
            .push((origin.start as usize..origin.end as usize, owner));
        Some(end)
    }

    /// The program that printed this, and its first words: `kubectl get`.
    pub fn ran(&self, program: &str) -> Option<&Command> {
        self.command.as_ref().filter(|c| c.program() == program)
    }

    /// The namespace that the kubectl command names; empty where it names none.
    pub fn namespace(&self) -> &str {
        let Some((command, _)) = self.kubectl() else {
            return "";
        };
        // `-napps` is `-n apps`.
        let own = command.words.iter().take_while(|w| *w != "|");
        let glued = || {
            own.filter_map(|w| w.strip_prefix("-n"))
                .find(|ns| !ns.is_empty())
        };
        let named = command.option("-n", "--namespace");
        named
            .or_else(glued)
            .unwrap_or_default()
            .trim_start_matches('=')
    }

    /// What the kubectl command describes: its events are about that, also when its head was cut away.
    /// Of a command that names a kind alone it is the object of this name, if one is given.
    pub fn described(&self, unnamed: Option<&str>) -> Option<EntityId> {
        let (_, words) = self.kubectl()?;
        let i = words.iter().position(|w| *w == "describe")?;
        let asked = *words.get(i + 1)?;
        let (kind, name) = match asked.split_once('/') {
            Some(pair) => pair,
            None => (asked, words.get(i + 2).copied().or(unnamed)?),
        };
        let kind = kinds::named(kind)?;
        let namespace = if kind.cluster { "" } else { self.namespace() };
        Some(EntityId::object(kind.kind, kind.group(), namespace, name))
    }

    /// The kubectl command that printed this, by any of its names, and its words from the verb on.
    pub fn kubectl(&self) -> Option<(&Command, Vec<&str>)> {
        let command = self.command.as_ref()?;
        let words = kubectl::words(command.words.iter().map(String::as_str))?;
        Some((command, words))
    }

    /// Where these lines stand.
    pub fn origin(&self, lines: Range<usize>) -> Origin {
        let start = self.lines.get(lines.start).map_or(0, |l| l.start);
        let end = lines
            .end
            .checked_sub(1)
            .and_then(|i| self.lines.get(i))
            .map_or(start, |l| l.end);
        Origin {
            entry: self.entry,
            start: start as u64,
            end: end as u64,
        }
    }

    /// Takes a fact that these lines say.
    pub fn fact(&mut self, lines: Range<usize>, value: Value) {
        let text = lines
            .clone()
            .map(|i| self.text(i).trim())
            .collect::<Vec<_>>()
            .join("\n");
        let fact = Fact {
            host: self
                .command
                .as_ref()
                .and_then(|c| c.host.clone())
                .unwrap_or_default(),
            entry: self.entry,
            line: self.lines.get(lines.start).map_or(0, |l| l.number),
            text,
            command: container::ran(self),
            value,
        };
        self.out.facts.push(fact);
    }

    /// Takes an object that these lines show a part of.
    pub fn object(&mut self, lines: Range<usize>, json: &serde_json::Value) {
        let origin = self.origin(lines);
        let Ok(bytes) = serde_json::to_vec(json) else {
            return;
        };
        if let Ok(mut parsed) = object::read(&bytes, origin, None) {
            parsed.object.printed = true;
            let host = self.command.as_ref().and_then(|c| c.host.clone());
            parsed.object.asked_on = host.unwrap_or_default();
            parsed.shown = Some(bytes.into_boxed_slice());
            self.out.objects.push(parsed);
        }
    }
}

/// Adds what the scheduler said to a pod that it did not place, where a whole pod has it.
fn unscheduled(pod: &mut serde_json::Value, message: &str) {
    let condition = serde_json::json!({
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
    });
    let Some(status) = pod.get_mut("status").and_then(|s| s.as_object_mut()) else {
        return;
    };
    status.insert("phase".into(), "Pending".into());
    status.insert(
        "conditions".into(),
        serde_json::Value::Array(vec![condition]),
    );
}

/// Takes out the events that a later one of the same text ended.
fn settle(out: &mut Taken) {
    let over = history::over(&out.events);
    let mut at = 0;
    out.events.retain(|(_, origin)| {
        let is_over = over.contains(&at);
        at += 1;
        if is_over {
            out.past.push(origin.start as usize..origin.end as usize);
        }
        !is_over
    });
}

/// Pods of which only the scheduler's events were printed: as much of each as they show.
fn pending(walk: &mut Walk<'_>) {
    let mut seen = std::collections::BTreeSet::new();
    let mut made = Vec::new();
    for (event, origin) in walk.out.events.iter().rev() {
        let of_pod = event.reason == "FailedScheduling" && event.about.kind() == "pod";
        let described = walk.out.objects.iter().any(|p| {
            p.object.id == event.about && p.object.origin.end - p.object.origin.start > 400
        });
        if !of_pod || described || !seen.insert(event.about.clone()) {
            continue;
        }
        let mut metadata = serde_json::Map::new();
        metadata.insert("name".into(), event.about.name().into());
        if let Some(namespace) = event.about.namespace() {
            metadata.insert("namespace".into(), namespace.into());
        }
        let mut pod = serde_json::json!({
            "kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {}, "status": {},
        });
        unscheduled(&mut pod, &event.message);
        made.push((pod, *origin));
    }
    for (pod, origin) in made {
        let Ok(bytes) = serde_json::to_vec(&pod) else {
            continue;
        };
        if let Ok(mut parsed) = object::read(&bytes, origin, None) {
            parsed.object.printed = true;
            parsed.shown = Some(bytes.into_boxed_slice());
            walk.out.objects.push(parsed);
        }
    }
}

/// A manifest in the middle of a text: `apiVersion:` at the left edge of its own lines.
fn manifest(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let first = walk.lines.get(at)?;
    let indent = first.indent();
    if first.text.trim_start().starts_with('{') {
        return json(walk, at);
    }
    let starts = |t: &str| {
        let t = t.trim_start().trim_start_matches("- ");
        t.starts_with("apiVersion: ") || t.starts_with("kind: ")
    };
    if !starts(&first.text) {
        return None;
    }
    let mut end = at;
    let mut both = 0;
    while let Some(line) = walk.lines.get(end) {
        let text = line.text.trim_start();
        if !line.is_blank() {
            let key = text.split_once(':').is_some_and(|(k, v)| {
                !k.is_empty() && !k.contains(' ') && (v.is_empty() || v.starts_with(' '))
            });
            let inside = line.indent() > indent || text.starts_with("- ") || key;
            if line.indent() < indent || !inside || matches!(text, "EOF" | "---") {
                break;
            }
            if line.indent() == indent
                && (text.starts_with("apiVersion:") || text.starts_with("kind:"))
            {
                both += 1;
            }
        }
        end += 1;
    }
    if both < 2 {
        return None;
    }
    let origin = walk.origin(at..end);
    // From the start of the line's text: nested deeper or quoted, it is read all the same.
    let start = origin.start as usize;
    walk.out.manifests.push(start..origin.end as usize);
    Some(end)
}

/// The same as JSON: an object of the API that begins on this line.
fn json(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let line = walk.lines.get(at)?;
    let start = line.start
        + walk
            .bytes
            .get(line.start..line.end)?
            .iter()
            .position(|b| *b == b'{')?;
    let defib_formats::json::Value::Whole(range) = defib_formats::json::value(walk.bytes, start)
    else {
        return None;
    };
    let object = defib_formats::json::fields(walk.bytes, range.start, range.end)
        .any(|f| matches!(f.key.as_str(), "kind" | "items" | "metadata"));
    if !object {
        return None;
    }
    let after = walk
        .lines
        .iter()
        .skip(at)
        .position(|l| l.start >= range.end)?;
    walk.out.manifests.push(range);
    Some(at + after.max(1))
}

/// The words under which a description shows a field; the last part of the pointer otherwise.
const SHOWN: &[(&str, &str)] = &[
    ("storageClassName", "StorageClass"),
    ("volumeName", "Volume"),
    ("accessModes", "Access Modes"),
    ("phase", "Status"),
    ("nodeName", "Node"),
    ("claimRef", "Claim"),
    ("nodeAffinity", "Node Affinity"),
    ("capacity", "Capacity"),
    ("storage", "Capacity"),
    ("nodeSelector", "Node-Selectors"),
    ("serviceAccountName", "Service Account"),
    ("exitCode", "Exit Code"),
    ("restartCount", "Restart Count"),
    ("claimName", "ClaimName"),
    ("secretName", "SecretName"),
    ("livenessProbe", "Liveness"),
    ("readinessProbe", "Readiness"),
    ("startupProbe", "Startup"),
];

/// The row of a condition by its number, in the table below `Conditions:`.
fn condition_row<'t>(body: &'t [u8], pointer: &str) -> Option<Line<'t>> {
    let at: usize = pointer
        .strip_prefix("/status/conditions/")?
        .split('/')
        .next()?
        .parse()
        .ok()?;
    text::lines(body, MAX_LINES)
        .into_iter()
        .skip_while(|l| l.text.trim() != "Conditions:")
        .skip(1)
        .filter(|l| {
            l.text
                .split_ascii_whitespace()
                .nth(1)
                .is_some_and(|w| matches!(w, "True" | "False" | "Unknown"))
        })
        .nth(at)
}

/// The line of printed text that shows a field of its object: the whole row of a table, and of a
/// description the line with the field's word.
pub(crate) fn place(bytes: &[u8], object: Range<usize>, pointer: &str) -> Range<usize> {
    let body = bytes.get(object.clone()).unwrap_or_default();
    if pointer.is_empty() || memchr::memchr(b'\n', body).is_none() {
        return object;
    }
    let mut found = condition_row(body, pointer);
    if found.is_none() && pointer.ends_with("/message") {
        found = text::lines(body, MAX_LINES)
            .into_iter()
            .rfind(|l| l.text.contains(" FailedScheduling "));
    }
    for step in pointer.rsplit('/').filter(|s| !s.is_empty()) {
        if found.is_some() {
            break;
        }
        let word = SHOWN
            .iter()
            .find(|(field, _)| *field == step)
            .map_or(step, |(_, word)| word);
        found = text::lines(body, MAX_LINES).into_iter().find(|l| {
            let t = l.text.trim();
            t.len() >= word.len()
                && t.get(..word.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(word))
                && t.get(word.len()..)
                    .is_some_and(|r| r.starts_with(':') || r.starts_with(' '))
        });
    }
    match found {
        Some(l) => object.start + l.start..object.start + l.end,
        None => {
            let end = memchr::memchr(b'\n', body).unwrap_or(body.len());
            object.start..object.start + end
        }
    }
}
