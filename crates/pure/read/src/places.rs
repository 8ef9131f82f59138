//! Where a hit stands among thousands: what makes two hits one, and an index by a hash of it.
//!
//! Deliberately absent: hits themselves (`scan`).

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use defib_model::EntityId;
use defib_model::signal::Hit;

/// What makes two hits one: signal, entity, container, host, program, and whether it is an event's.
pub(crate) type Key<'h> = (
    &'h str,
    Option<&'h EntityId>,
    &'h str,
    &'h str,
    &'h str,
    bool,
);

pub(crate) fn key(hit: &Hit) -> Key<'_> {
    (
        hit.signal,
        hit.entity.as_ref(),
        &hit.container,
        &hit.host,
        &hit.program,
        hit.event,
    )
}

/// Where a hit stands among all, by a hash of what makes it one: hosts and pods may be thousands.
#[derive(Debug, Default)]
pub(crate) struct Places(BTreeMap<u64, Vec<usize>>);

impl Places {
    pub fn find(&self, hits: &[Hit], whose: &Key<'_>) -> Option<usize> {
        let places = self.0.get(&digest(whose))?;
        places
            .iter()
            .copied()
            .find(|i| hits.get(*i).is_some_and(|h| key(h) == *whose))
    }

    pub fn add(&mut self, whose: &Key<'_>, place: usize) {
        self.0.entry(digest(whose)).or_default().push(place);
    }
}

/// The same in every run: the hasher has no keys of its own.
fn digest(whose: &Key<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    whose.hash(&mut hasher);
    hasher.finish()
}
