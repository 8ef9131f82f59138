//! Parsed objects into sorted tables: one object per id, the newest of several copies.
//!
//! Deliberately absent: edges between them.

use std::collections::BTreeMap;

use defib_model::EntityId;
use defib_model::cluster::{Cluster, ObjId, Origin};
use defib_model::views::Event;
use defib_model::views::network::Endpoints;

use crate::object::{Parsed, View};

/// Builds the tables. Of several copies of one object the one with the highest revision is kept; of
/// equal ones the first in the order of files.
pub(crate) fn build(parsed: Vec<Parsed>, printed: Vec<(Event, Origin)>) -> Cluster {
    let mut objects: BTreeMap<EntityId, Parsed> = BTreeMap::new();
    let mut events: BTreeMap<(EntityId, Option<Origin>), Parsed> = BTreeMap::new();
    for one in parsed {
        if matches!(one.view, View::Event(_)) {
            // Events whose names somebody cut away are as many as there are.
            let place = one.object.name.is_empty().then_some(one.object.origin);
            let key = (one.object.id.clone(), place);
            let newer = |known: &Parsed| {
                let rank = |p: &Parsed| (p.object.revision, std::cmp::Reverse(p.object.origin));
                rank(&one) > rank(known)
            };
            if events.get(&key).is_none_or(newer) {
                events.insert(key, one);
            }
            continue;
        }
        match objects.get_mut(&one.object.id) {
            Some(known) if known.object.printed && one.object.printed => {
                crate::merge::prints(known, one);
            }
            Some(known) => {
                // What a command printed shows less than the object; of two prints the longer shows more.
                let rank = |p: &Parsed| {
                    let o = &p.object;
                    let shown = if o.printed {
                        o.origin.end - o.origin.start
                    } else {
                        0
                    };
                    (!o.printed, o.revision, shown, std::cmp::Reverse(o.origin))
                };
                let newer = rank(&one) > rank(known);
                let mut other = one;
                if newer {
                    std::mem::swap(known, &mut other);
                }
                crate::merge::state(known, &other);
            }
            None => {
                objects.insert(one.object.id.clone(), one);
            }
        }
    }
    let mut cluster = Cluster::default();
    for (id, one) in objects {
        let obj = ObjId(cluster.objects.len() as u32);
        cluster.by_id.insert(id, obj);
        cluster.objects.push(one.object);
        place(&mut cluster, obj, one.view);
    }
    let mut list = Vec::new();
    for (_, one) in events {
        if let View::Event(raw) = one.view {
            list.push((*raw, one.object.origin));
        }
    }
    for (raw, origin) in list {
        let obj = ObjId(cluster.event_origins.len() as u32);
        cluster.event_origins.push(origin);
        cluster.events.push(raw.into_event(obj));
    }
    for (mut event, origin) in printed {
        event.obj = ObjId(cluster.event_origins.len() as u32);
        cluster.event_origins.push(origin);
        cluster.events.push(event);
    }
    // Printed events have no times: their order in the text is theirs.
    let place = |e: &Event| {
        let origin = cluster.event_origins.get(e.obj.0 as usize);
        origin.filter(|_| e.printed).map_or(0, |o| o.start)
    };
    let mut events = std::mem::take(&mut cluster.events);
    events.sort_by(|a, b| {
        (a.last, &a.about, place(a), &a.reason, &a.message).cmp(&(
            b.last,
            &b.about,
            place(b),
            &b.reason,
            &b.message,
        ))
    });
    cluster.events = events;
    crate::history::settle(&mut cluster);
    for (i, event) in cluster.events.iter().enumerate() {
        cluster
            .events_about
            .entry(event.about.clone())
            .or_default()
            .push(i);
    }
    for (i, pod) in cluster.pods.iter().enumerate() {
        let id = EntityId::object("Pod", "", &pod.metadata.namespace, &pod.metadata.name);
        cluster.pod_index.insert(id, i);
        let labelled = cluster
            .pods_labelled
            .entry(pod.metadata.namespace.clone())
            .or_default();
        for (label, value) in &pod.metadata.labels {
            labelled
                .entry(label.clone())
                .or_default()
                .entry(value.clone())
                .or_default()
                .push(i);
        }
    }
    cluster.as_of = latest(&cluster);
    cluster
}

fn place(c: &mut Cluster, obj: ObjId, view: View) {
    macro_rules! put {
        ($list:ident, $view:expr) => {{
            let mut view = *$view;
            view.obj = obj;
            c.$list.push(view);
        }};
    }
    match view {
        View::Pod(v) => put!(pods, v),
        View::Node(v) => put!(nodes, v),
        View::Workload(v) => put!(workloads, v),
        View::Claim(v) => put!(claims, v),
        View::Volume(v) => put!(volumes, v),
        View::Class(v) => put!(classes, v),
        View::Attachment(v) => put!(attachments, v),
        View::Service(v) => put!(services, v),
        View::Ingress(v) => put!(ingresses, v),
        View::Policy(v) => put!(policies, v),
        View::Secret(v) => put!(secrets, v),
        View::ConfigMap(v) => put!(config_maps, v),
        View::ServiceAccount(v) => put!(service_accounts, v),
        View::Namespace(v) => put!(namespaces, v),
        View::Quota(v) => put!(quotas, v),
        View::Budget(v) => put!(budgets, v),
        View::Webhook(v) => put!(webhooks, v),
        View::ApiService(v) => put!(api_services, v),
        View::Crd(v) => put!(crds, v),
        View::Other(v) => put!(others, v),
        View::Endpoints(v) => {
            let ready = v.subsets.iter().map(|s| s.addresses.len()).sum();
            let not_ready = v.subsets.iter().map(|s| s.not_ready_addresses.len()).sum();
            let key = (v.metadata.namespace, v.metadata.name);
            // Slices say more; Endpoints only where there are none.
            c.endpoints.entry(key).or_insert(Endpoints {
                obj,
                ready,
                not_ready,
            });
        }
        View::Slice(v) => {
            let Some(service) = v.metadata.labels.get("kubernetes.io/service-name") else {
                return;
            };
            let key = (v.metadata.namespace.clone(), service.clone());
            let ready = v
                .endpoints
                .iter()
                .filter(|e| e.conditions.ready != Some(false))
                .count();
            let total = v.endpoints.len();
            let known = c.endpoints.entry(key).or_default();
            let from_slice = c
                .objects
                .get(known.obj.0 as usize)
                .is_some_and(|o| o.kind == "EndpointSlice");
            if from_slice {
                known.ready += ready;
                known.not_ready += total - ready;
            } else {
                *known = Endpoints {
                    obj,
                    ready,
                    not_ready: total - ready,
                };
            }
        }
        View::Event(_) => {}
    }
}

/// Of a Lease only what is asked for here.
#[derive(serde::Deserialize)]
struct Lease {
    spec: LeaseSpec,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeaseSpec {
    renew_time: Option<jiff::Timestamp>,
}

/// The latest time that the API server or a kubelet wrote into an object.
fn latest(c: &Cluster) -> Option<jiff::Timestamp> {
    let events = c.events.iter().filter_map(|e| e.last).max();
    let pods = c
        .pods
        .iter()
        .flat_map(|p| {
            let states = p.statuses().flat_map(|(_, s)| {
                let ended = s.state.terminated.as_ref().and_then(|t| t.finished_at);
                let running = s.state.running.as_ref().and_then(|r| r.started_at);
                [ended, running]
            });
            let conditions = p.status.conditions.iter().map(|c| c.last_transition_time);
            states
                .chain(conditions)
                .chain([p.metadata.creation_timestamp])
                .collect::<Vec<_>>()
        })
        .flatten()
        .max();
    let nodes = c
        .nodes
        .iter()
        .flat_map(|n| {
            n.status
                .conditions
                .iter()
                .flat_map(|c| [c.last_heartbeat_time, c.last_transition_time])
        })
        .flatten()
        .max();
    let workloads = c
        .workloads
        .iter()
        .flat_map(|w| {
            w.status
                .conditions
                .iter()
                .map(|c| c.last_transition_time)
                .chain([w.metadata.creation_timestamp])
        })
        .flatten()
        .max();
    let others = c
        .others
        .iter()
        .filter_map(|o| o.metadata.creation_timestamp)
        .max();
    // Kubelets and controllers renew theirs every few seconds: the best clock that a dump holds.
    let leases = c
        .objects
        .iter()
        .filter(|o| o.kind == "Lease")
        .filter_map(|o| {
            serde_json::from_slice::<Lease>(&o.json)
                .ok()?
                .spec
                .renew_time
        })
        .max();
    [events, pods, nodes, workloads, others, leases]
        .into_iter()
        .flatten()
        .max()
}
