//! What a log, an event or a printed object is about, where only the other files tell: the pod of a log by its path, the
//! namespace that a command did not name.
//!
//! Deliberately absent: guesses between two that fit.

use std::collections::{BTreeMap, BTreeSet};

use defib_model::EntityId;

use super::Reader;
use crate::object::View;

impl Reader<'_> {
    /// Loose logs of a support bundle stand in folders that are named after their pods, or have the
    /// names that the kubelet gives them (`POD_NS_CONTAINER-ID.log`, `NS_POD_UID/CONTAINER/0.log`).
    /// A path counts only where such a pod is in the evidence.
    pub(super) fn name_logs(&mut self) {
        let pods: BTreeMap<(&str, &str), &EntityId> = self
            .parsed
            .iter()
            .filter(|p| p.object.kind == "Pod")
            .map(|p| {
                (
                    (p.object.namespace.as_str(), p.object.name.as_str()),
                    &p.object.id,
                )
            })
            .collect();
        if pods.is_empty() {
            return;
        }
        for scanned in &mut self.scanned {
            let entry = match (scanned.tails.first(), scanned.hits.first()) {
                (Some(t), _) if t.entity.as_str().is_empty() => t.entry,
                (None, Some(h)) if h.entity.is_none() => h.entry,
                _ => continue,
            };
            let Some(path) = self.entries.get(entry as usize) else {
                continue;
            };
            let parts: Vec<&str> = path.id.split(['/', '_']).collect();
            let owner = pods.iter().find(|((ns, name), _)| {
                let is = |part: &&str| part.strip_suffix(".log").unwrap_or(part) == *name;
                parts.iter().any(is) && parts.contains(ns)
            });
            let Some(((_, name), id)) = owner else {
                continue;
            };
            // What stands below the pod's folder is the container, also `NAME-previous.log`.
            let container = parts
                .iter()
                .skip_while(|p| *p != name)
                .nth(1)
                .map(|p| p.trim_end_matches(".log").trim_end_matches("-previous"))
                .unwrap_or_default()
                .to_owned();
            for hit in scanned
                .hits
                .iter_mut()
                .filter(|h| !h.event && h.entity.is_none())
            {
                hit.entity = Some((*id).clone());
                hit.container = container.clone();
            }
            for tail in &mut scanned.tails {
                tail.entity = (*id).clone();
                tail.container = container.clone();
            }
        }
    }

    /// Of each text the one pod in it that is not well, if it is only one: a description of which only the
    /// events are left is its.
    fn troubled(&self) -> BTreeMap<u32, Option<EntityId>> {
        let mut out: BTreeMap<u32, Option<EntityId>> = BTreeMap::new();
        for p in self.parsed.iter().filter(|p| p.object.printed) {
            let View::Pod(pod) = &p.view else {
                continue;
            };
            let waits = pod.status.phase == "Pending";
            if !waits && pod.statuses().all(|(_, s)| s.ready == Some(true)) {
                continue;
            }
            out.entry(p.object.origin.entry)
                .and_modify(|one| {
                    if one.as_ref() != Some(&p.object.id) {
                        *one = None;
                    }
                })
                .or_insert_with(|| Some(p.object.id.clone()));
        }
        out
    }

    /// A command without `-n` names no namespace; where only one thing of that kind and name has one, it
    /// is meant.
    pub(super) fn name_whole(&mut self) {
        let mut whole: BTreeMap<(String, String), BTreeSet<EntityId>> = BTreeMap::new();
        let mut note = |id: &EntityId| {
            if id.namespace().is_some() {
                let key = (id.kind().to_owned(), id.name().to_owned());
                whole.entry(key).or_default().insert(id.clone());
            }
        };
        self.parsed.iter().for_each(|p| note(&p.object.id));
        self.events.iter().for_each(|(e, _)| note(&e.about));
        let troubled = self.troubled();
        let full = |id: &EntityId, entry: u32| -> Option<EntityId> {
            if id.namespace().is_some() {
                return None;
            }
            if id.kind() == "pod" && id.name() == crate::text::UNNAMED {
                return troubled.get(&entry).cloned().flatten();
            }
            let found = whole.get(&(id.kind().to_owned(), id.name().to_owned()))?;
            found.first().filter(|_| found.len() == 1).cloned()
        };
        for (event, origin) in &mut self.events {
            if let Some(id) = full(&event.about, origin.entry) {
                event.about = id;
            }
        }
        for scanned in &mut self.scanned {
            for hit in &mut scanned.hits {
                let id = hit.entity.as_ref().and_then(|e| full(e, hit.entry));
                hit.entity = id.or_else(|| hit.entity.take());
            }
            for tail in &mut scanned.tails {
                if let Some(id) = full(&tail.entity, tail.entry) {
                    tail.entity = id;
                }
            }
        }
        // A printed object whose namespace was not printed is that one too, and so is a file that leaves
        // its namespace to the command that applies it.
        for p in self
            .parsed
            .iter_mut()
            .filter(|p| p.object.printed || (p.object.uid.is_empty() && p.object.revision == 0))
        {
            if let Some(id) = full(&p.object.id, p.object.origin.entry) {
                let namespace = id.namespace().unwrap_or_default().to_owned();
                p.view.set_namespace(&namespace);
                p.object.namespace = namespace;
                p.object.id = id;
            }
        }
    }
}
