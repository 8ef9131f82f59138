//! Datastores that were read from their files: which of them are damaged, and where.
//!
//! Deliberately absent: what logs and etcdctl say of a running one (`etcd`).

use defib_model::fact::{Datastore, Fact, Value};
use defib_model::id::EntityId;
use defib_model::report::Evidence;

use super::host::facts_anywhere;
use crate::context::Context;

/// A datastore in whose file something does not hold.
pub struct Damaged<'c> {
    /// Its file, and what kind of one.
    pub store: &'c Datastore,
    /// What shows it.
    pub evidence: Vec<Evidence>,
}

/// Every datastore of the evidence, with where it stands.
pub fn all<'c>(cx: &'c Context<'_>) -> impl Iterator<Item = (&'c Fact, &'c Datastore)> {
    facts_anywhere(cx, |v| match v {
        Value::Datastore(store) => Some(store),
        _ => None,
    })
}

/// Those that are damaged.
pub fn damaged<'c>(cx: &'c Context<'_>) -> Vec<Damaged<'c>> {
    all(cx)
        .filter(|(_, store)| store.trust == "damaged")
        .map(|(fact, store)| {
            let places = facts_anywhere(cx, |v| match v {
                Value::DatastoreDamage(_) => Some(()),
                _ => None,
            });
            let mut evidence: Vec<Evidence> = places
                .filter(|(place, ())| place.entry == fact.entry)
                .map(|(place, ())| cx.fact(place, "this does not hold"))
                .collect();
            evidence.push(cx.fact(fact, "read whole, and found damaged"));
            Damaged { store, evidence }
        })
        .collect()
}

/// Members whose own database knows that they were removed: what says so, and the database.
pub fn removed<'c>(cx: &'c Context<'_>) -> Vec<(&'c Fact, &'c Datastore)> {
    all(cx)
        .filter(|(_, store)| !store.member.is_empty())
        .filter_map(|(fact, store)| {
            let mut gone = facts_anywhere(cx, |v| match v {
                Value::EtcdRemoved(gone) => Some(gone),
                _ => None,
            });
            let own = gone.find(|(g, id)| g.entry == fact.entry && **id == store.member);
            Some((own?.0, store))
        })
        .collect()
}

/// The file as what a finding is about.
pub fn entity(store: &Datastore) -> EntityId {
    EntityId::other("datastore", &store.file)
}
