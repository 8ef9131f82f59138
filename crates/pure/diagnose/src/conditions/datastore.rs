//! Datastores that were read from their files, and alarms that members of etcd have set.
//!
//! Deliberately absent: what logs say of a running datastore (`host`).

use defib_model::ConditionKind as K;
use defib_model::fact::Value;

use super::one;
use crate::analysis::host::facts_anywhere;
use crate::analysis::{datastore, etcd};
use crate::context::Context;

pub(super) fn observe(cx: &mut Context<'_>) {
    let mut found = Vec::new();
    // A damaged snapshot beside a whole one hurts nobody yet.
    let any_whole = datastore::all(cx).any(|(_, s)| s.trust != "damaged");
    for bad in datastore::damaged(cx) {
        if bad.store.snapshot && any_whole {
            continue;
        }
        let id = datastore::entity(bad.store);
        for evidence in bad.evidence.into_iter().take(1) {
            found.push(one(K::DatastoreFailing, &id, "", evidence, None, 1));
        }
    }
    for (gone, store) in datastore::removed(cx) {
        let evidence = cx.fact(gone, "this member was removed from its cluster");
        let id = datastore::entity(store);
        found.push(one(K::DatastoreFailing, &id, "", evidence, None, 1));
    }
    let alarms: Vec<_> = facts_anywhere(cx, |v| match v {
        Value::EtcdAlarm(member, kind) => Some((member, kind)),
        _ => None,
    })
    .collect();
    for (fact, (member, kind)) in alarms {
        let evidence = cx.fact(fact, format!("the alarm {kind} is set"));
        found.push(one(
            K::DatastoreFailing,
            &etcd::entity(),
            member,
            evidence,
            None,
            1,
        ));
    }
    cx.conditions.extend(found);
}
