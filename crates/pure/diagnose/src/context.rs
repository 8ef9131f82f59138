//! What a rule can ask: the cluster, the observed conditions, the signals; and how to cite.
//!
//! Deliberately absent: findings of other rules. A rule never looks at another one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use defib_model::cluster::{Cluster, ObjId, Origin};
use defib_model::condition::{Condition, ConditionKind};
use defib_model::edge::EdgeKind;
use defib_model::id::EntityId;
use defib_model::report::{Evidence, Focus, Locator, QUOTE_LIMIT};
use defib_model::signal::{Hit, LogTail};
use defib_model::views::{Event, PersistentVolumeClaim, Pod};
use jiff::Timestamp;

use crate::analysis::product::Products;

/// What a rule can ask.
pub struct Context<'a> {
    /// Everything that was read.
    pub cluster: &'a Cluster,
    /// Everything observed to be wrong.
    pub conditions: Vec<Condition>,
    by_entity: BTreeMap<(ConditionKind, EntityId), usize>,
    owner_of: BTreeMap<EntityId, EntityId>,
    heard: Vec<Cow<'a, Hit>>,
    /// Indices into `heard`, by signal.
    by_signal: BTreeMap<&'static str, Vec<usize>>,
    pub(crate) products: Products,
}

impl<'a> Context<'a> {
    /// A context without conditions yet.
    pub fn new(cluster: &'a Cluster) -> Self {
        let owner_of = cluster
            .edges
            .iter()
            .filter(|e| e.kind == EdgeKind::Owns)
            .map(|e| (e.to.clone(), e.from.clone()))
            .collect();
        let heard = crate::testimony::heard(cluster);
        let mut by_signal: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (i, hit) in heard.iter().enumerate() {
            by_signal.entry(hit.signal).or_default().push(i);
        }
        Self {
            cluster,
            conditions: Vec::new(),
            by_entity: BTreeMap::new(),
            owner_of,
            heard,
            by_signal,
            products: Products::of(cluster),
        }
    }

    /// Adds a condition; of two alike the first is kept and its count grows.
    pub fn observe(&mut self, condition: Condition) {
        let key = (condition.kind, condition.entity.clone());
        match self
            .by_entity
            .get(&key)
            .and_then(|i| self.conditions.get_mut(*i))
        {
            Some(known) => {
                known.count = known.count.max(condition.count);
                known.since = match (known.since, condition.since) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                for e in condition.evidence {
                    if !known.evidence.contains(&e) {
                        known.evidence.push(e);
                    }
                }
            }
            None => {
                self.by_entity.insert(key, self.conditions.len());
                self.conditions.push(condition);
            }
        }
    }

    /// The condition of this kind on this entity.
    pub fn has(&self, kind: ConditionKind, entity: &EntityId) -> Option<&Condition> {
        self.by_entity
            .get(&(kind, entity.clone()))
            .and_then(|i| self.conditions.get(*i))
    }

    /// The place of the condition of this kind on this entity among all.
    pub(crate) fn position(&self, kind: ConditionKind, entity: &EntityId) -> Option<usize> {
        self.by_entity.get(&(kind, entity.clone())).copied()
    }

    /// Those of these conditions that are observed on this entity. A finding that claims only what is
    /// not observed would explain nothing, and be dropped.
    pub fn observed<'b>(
        &'b self,
        kinds: &'b [ConditionKind],
        entity: &'b EntityId,
    ) -> impl Iterator<Item = ConditionKind> + 'b {
        kinds
            .iter()
            .copied()
            .filter(move |k| self.has(*k, entity).is_some())
    }

    /// All conditions of this kind.
    pub fn all(&self, kind: ConditionKind) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(move |c| c.kind == kind)
    }

    /// The claim of this id; where the evidence names no namespace, the one of none.
    pub fn claim(&self, id: &EntityId) -> Option<&'a PersistentVolumeClaim> {
        let namespace = id.namespace().unwrap_or_default();
        self.cluster.claim(namespace, id.name())
    }

    /// Pods with this condition.
    pub fn pods(&self, kind: ConditionKind) -> impl Iterator<Item = (&Condition, &'a Pod)> {
        let cluster = self.cluster;
        self.all(kind)
            .filter_map(move |c| Some((c, cluster.pod(&c.entity)?)))
    }

    /// What made this entity, at the top of the ladder Pod → ReplicaSet → Deployment.
    pub fn top_owner(&self, entity: &EntityId) -> EntityId {
        let mut at = entity.clone();
        let mut seen = BTreeSet::new();
        while let Some(up) = self.owner_of.get(&at) {
            if !seen.insert(at.clone()) {
                break;
            }
            at = up.clone();
        }
        at
    }

    /// What made this entity, one step up.
    pub fn owner(&self, entity: &EntityId) -> Option<&EntityId> {
        self.owner_of.get(entity)
    }

    /// True when at least this many seconds lie between then and the latest time of the evidence, or
    /// when nobody knows. What just began is no trouble yet.
    pub fn older_than(&self, since: Option<Timestamp>, seconds: i64) -> bool {
        self.cluster
            .age_seconds(since)
            .is_none_or(|age| age >= seconds)
    }

    /// All hits that are testimony: said by the program concerned, and not contradicted by the objects.
    /// Rules ask here and never `Cluster::hits`.
    pub fn heard(&self) -> impl Iterator<Item = &Hit> {
        self.heard.iter().map(Cow::as_ref)
    }

    /// Is this line of a log one of a program that serves, or has done its work?
    pub fn said_by_the_well(&self, line: &Evidence) -> bool {
        self.heard()
            .filter(|h| h.lines.iter().any(|l| l.line == line.line))
            .filter(|h| {
                let entry = self.cluster.entries.get(h.entry as usize);
                entry.is_some_and(|e| e.id == line.file && e.source == line.source)
            })
            .any(|h| crate::testimony::said_by_the_well(self.cluster, h))
    }

    /// Hits of a signal.
    pub fn hits<'b>(&'b self, signal: &str) -> impl Iterator<Item = &'b Hit> + use<'a, 'b> {
        let all = self.by_signal.get(signal).map(Vec::as_slice);
        all.unwrap_or_default()
            .iter()
            .filter_map(|i| self.heard.get(*i).map(Cow::as_ref))
    }

    /// Hits of any signal with this prefix in the log of this entity.
    pub fn hits_of<'b>(
        &'b self,
        entity: &'b EntityId,
        prefix: &'b str,
    ) -> impl Iterator<Item = &'b Hit> {
        self.heard()
            .filter(move |h| h.signal.starts_with(prefix) && h.entity.as_ref() == Some(entity))
    }

    /// The last lines of a container's log.
    pub fn tail<'b>(&'b self, entity: &'b EntityId, container: &'b str) -> Option<&'b LogTail> {
        self.cluster
            .tails
            .iter()
            .filter(|t| t.entity == *entity && (container.is_empty() || t.container == container))
            .max_by_key(|t| t.lines.len())
    }

    fn place(&self, origin: Origin) -> (String, String, String) {
        self.cluster
            .entries
            .get(origin.entry as usize)
            .map(|e| (e.source.clone(), e.id.clone(), e.vantage.clone()))
            .unwrap_or_default()
    }

    /// Cites one field of an object.
    pub fn field(&self, obj: ObjId, pointer: &str, meaning: impl Into<String>) -> Evidence {
        let Some(object) = self.cluster.object(obj) else {
            return Evidence::default();
        };
        // Of a file that was applied the state stands where a command printed it.
        let text = written(&object.json, pointer);
        let state = object.state.filter(|_| {
            pointer.starts_with("/status") || (text.is_empty() && object.kind != "Pod")
        });
        // Of several prints the one that shows the field.
        let shows = |json: &[u8]| !written(json, pointer).is_empty();
        let print = object.prints.iter().find(|(_, json)| shows(json));
        let origin = match print {
            Some((origin, _)) => *origin,
            None => state.unwrap_or(object.origin),
        };
        let (source, file, vantage) = self.place(origin);
        let kind = object.kind.to_ascii_lowercase();
        let show = if object.namespace.is_empty() {
            command!("kubectl get {} {} -o yaml", kind, object.name)
        } else {
            command!(
                "kubectl get {} {} -n {} -o yaml",
                kind,
                object.name,
                object.namespace
            )
        };
        Evidence {
            source,
            file,
            line: 0,
            time: None,
            vantage,
            text,
            meaning: meaning.into(),
            show: Some(show.into()),
            locator: Some(Locator {
                origin,
                pointer: pointer.to_owned(),
                printed: object.printed || state.is_some(),
                focus: if pointer.ends_with("/message") {
                    Focus::Tail
                } else {
                    Focus::Head
                },
            }),
        }
    }

    /// Cites an event.
    pub fn event(&self, event: &Event, meaning: impl Into<String>) -> Evidence {
        let origin = self
            .cluster
            .event_origins
            .get(event.obj.0 as usize)
            .copied()
            .unwrap_or_default();
        let (source, file, vantage) = self.place(origin);
        // The scheduler begins with what counts; the errors of all others end with it.
        let focus = match event.reason.as_str() {
            "FailedScheduling" => Focus::Head,
            _ => Focus::Tail,
        };
        let kind = event.about.kind();
        let show = match event.about.namespace() {
            Some(ns) => command!("kubectl describe {} {} -n {}", kind, event.about.name(), ns),
            None => command!("kubectl describe {} {}", kind, event.about.name()),
        };
        Evidence {
            source,
            file,
            line: 0,
            time: event.last.map(|t| t.to_string()),
            vantage,
            text: focus.cut(&event.message, QUOTE_LIMIT),
            meaning: meaning.into(),
            show: Some(show.into()),
            locator: Some(Locator {
                origin,
                pointer: event.message_path.to_owned(),
                printed: event.printed,
                focus,
            }),
        }
    }

    /// Cites a line of a log.
    pub fn log(&self, hit: &Hit, index: usize, meaning: impl Into<String>) -> Evidence {
        let Some(line) = hit.lines.get(index).or_else(|| hit.lines.first()) else {
            return Evidence::default();
        };
        self.log_line(
            hit.entry,
            hit.entity.as_ref(),
            &hit.container,
            line,
            meaning,
        )
    }

    /// Cites a fact.
    pub fn fact(&self, fact: &defib_model::fact::Fact, meaning: impl Into<String>) -> Evidence {
        let (source, file, vantage) = self.place(Origin {
            entry: fact.entry,
            start: 0,
            end: 0,
        });
        Evidence {
            source,
            file,
            line: fact.line,
            time: None,
            vantage,
            text: fact
                .text
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .chars()
                .take(QUOTE_LIMIT)
                .collect(),
            meaning: meaning.into(),
            show: Some(fact.command.clone()).filter(|c| !c.is_empty()),
            locator: None,
        }
    }

    /// Cites the last line of a container's log.
    pub fn last_line(&self, tail: &LogTail, meaning: impl Into<String>) -> Option<Evidence> {
        self.tail_line(tail, tail.lines.len().checked_sub(1)?, meaning)
    }

    /// Cites one of the last lines of a container's log.
    pub fn tail_line(
        &self,
        tail: &LogTail,
        at: usize,
        meaning: impl Into<String>,
    ) -> Option<Evidence> {
        let line = tail.lines.get(at)?;
        Some(self.log_line(
            tail.entry,
            Some(&tail.entity),
            &tail.container,
            line,
            meaning,
        ))
    }

    fn log_line(
        &self,
        entry: u32,
        entity: Option<&EntityId>,
        container: &str,
        line: &defib_model::signal::LogLine,
        meaning: impl Into<String>,
    ) -> Evidence {
        let (source, file, vantage) = self.place(Origin {
            entry,
            start: 0,
            end: 0,
        });
        let show = entity.and_then(|e| {
            Some(command!(
                "kubectl logs {} -n {} -c {} --previous",
                e.name(),
                e.namespace()?,
                container
            ))
        });
        Evidence {
            source,
            file,
            line: line.line,
            time: line.time.map(|t| t.to_string()),
            vantage,
            text: line.text.clone(),
            meaning: meaning.into(),
            show: show.filter(|_| !container.is_empty()).map(Into::into),
            locator: None,
        }
    }
}

/// A field as the object has it, for sources whose own text can't be found again.
fn written(json: &[u8], pointer: &str) -> String {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(json) else {
        return String::new();
    };
    let key = pointer.rsplit('/').next().unwrap_or_default();
    match value.pointer(pointer) {
        Some(v) => format!("\"{key}\":{v}").chars().take(QUOTE_LIMIT).collect(),
        None => String::new(),
    }
}

/// The last event about an entity with one of these reasons.
pub fn last_event<'c>(
    cluster: &'c Cluster,
    entity: &EntityId,
    reasons: &[&str],
) -> Option<&'c Event> {
    cluster
        .events_of(entity)
        .filter(|e| reasons.contains(&e.reason.as_str()))
        .last()
}
