//! Warnings that are over: a later event of the same object says that what failed was done.
//!
//! The API keeps events for an hour, so nearly every list of them holds such pairs; a mount that failed once and a pod
//! that was started a minute later are no trouble. Sources of the reasons: kubernetes `pkg/kubelet/events/event.go`,
//! `pkg/scheduler`, `pkg/controller`. Deliberately absent: states of objects, which the conditions look at, and loops:
//! a container that crashes is started each time.

use std::collections::{BTreeMap, BTreeSet};

use defib_model::cluster::{Cluster, Origin};
use defib_model::id::EntityId;
use defib_model::views::Event;

/// Reasons that say that the kubelet has the image of a container, or more.
const IMAGE: &[&str] = &["Pulled", "Created", "Started"];
/// That a volume is attached by now. Source: kubernetes `pkg/controller/volume/attachdetach/reconciler`.
const ATTACHED: &[&str] = &["SuccessfulAttachVolume"];

/// Refusals of one controller that may have been before its success, whatever the ages say.
const AGAIN: i64 = 3;

/// Good news of one object that are looked at; more is a loop.
const NEWS: usize = 64;

/// Takes events that are over out of the cluster; they stay in the files that they came from. Those that a text shows
/// have no times, and are settled where they are read.
pub(crate) fn settle(cluster: &mut Cluster) {
    let timed = std::mem::take(&mut cluster.events);
    let pairs: Vec<(Event, Origin)> = timed
        .into_iter()
        .map(|event| {
            let origin = cluster.event_origins.get(event.obj.0 as usize);
            let origin = origin.copied().unwrap_or_default();
            (event, origin)
        })
        .collect();
    let over = over(&pairs);
    let left = pairs.into_iter().enumerate();
    let left = left.filter(|(i, _)| !over.contains(i));
    cluster.events = left.map(|(_, (event, _))| event).collect();
}

/// The places of those that are over.
pub(crate) fn over(events: &[(Event, Origin)]) -> BTreeSet<usize> {
    let mut news: BTreeMap<&EntityId, Vec<&(Event, Origin)>> = BTreeMap::new();
    for pair in events.iter().rev().filter(|(e, _)| !e.warning) {
        let list = news.entry(&pair.0.about).or_default();
        if list.len() < NEWS {
            list.push(pair);
        }
    }
    // A pod that was started is one that its controller made.
    let mut children: BTreeMap<(&str, &str), Vec<&(Event, Origin)>> = BTreeMap::new();
    for pair in news.values().flatten() {
        let pod = &pair.0.about;
        if let Some((parent, _)) = pod.name().rsplit_once('-').filter(|_| pod.kind() == "pod") {
            let namespace = pod.namespace().unwrap_or_default();
            children.entry((namespace, parent)).or_default().push(*pair);
        }
    }
    let is_over = |trouble: &(Event, Origin)| {
        let about = &trouble.0.about;
        let own = news.get(about).into_iter().flatten();
        let parent = (about.namespace().unwrap_or_default(), about.name());
        let made = children.get(&parent).into_iter().flatten().take(NEWS);
        let mut made = made.filter(|_| trouble.0.reason == "FailedCreate");
        own.into_iter().any(|good| ends(trouble, good)) || made.any(|good| is_later(trouble, good))
    };
    let places = events.iter().enumerate();
    places
        .filter(|(_, pair)| is_over(pair))
        .map(|(i, _)| i)
        .collect()
}

/// Does the second event, of the same object, say that what the first one complains of was done since?
fn ends(trouble: &(Event, Origin), good: &(Event, Origin)) -> bool {
    is_answer(&trouble.0, &good.0) && is_later(trouble, good)
}

/// Would this, later, be the end of that trouble?
fn is_answer(trouble: &Event, good: &Event) -> bool {
    let pulls = trouble.message.contains("pull") || trouble.message.contains("ImagePull");
    let reasons: &[&str] = match trouble.reason.as_str() {
        "FailedScheduling" => &["Scheduled"],
        "FailedAttachVolume" if good.reason == "SuccessfulAttachVolume" => ATTACHED,
        "FailedMount" | "FailedMapVolume" | "FailedAttachVolume" => IMAGE,
        "FailedCreatePodSandBox" => &["Pulling", "Pulled", "Created", "Started"],
        "Failed" | "BackOff" | "InspectFailed" | "ErrImageNeverPull" if pulls => IMAGE,
        "Failed" if trouble.message.starts_with("Error: ") => &["Started"],
        "FailedCreate" => &["SuccessfulCreate"],
        "ProvisioningFailed" => &["ProvisioningSucceeded"],
        _ => return false,
    };
    let same_part = match (part(trouble), part(good)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    reasons.contains(&good.reason.as_str()) && same_part
}

/// The container that it is about: by its field, or as the kubelet's message names it.
fn part(event: &Event) -> Option<&str> {
    let named = event
        .message
        .strip_prefix("Started container ")
        .or_else(|| event.message.strip_prefix("Created container "))
        .or_else(|| event.message.strip_prefix("Created container: "))
        .or_else(|| event.message.strip_prefix("Container started: "));
    event
        .container
        .as_deref()
        .or(named.and_then(|rest| rest.split_ascii_whitespace().next()))
}

/// Is the second one certainly the later one: by its time, by its age in the same output, or by its place there?
fn is_later((first, a): &(Event, Origin), (second, b): &(Event, Origin)) -> bool {
    if let (Some(a), Some(b)) = (first.last, second.last) {
        return b > a || (b == a && first.reason == "FailedScheduling");
    }
    if !(first.printed && second.printed && a.entry == b.entry) {
        return false;
    }
    match (first.ago, second.ago) {
        (Some(x), Some(y)) if x != y => y < x,
        // A controller that is refused again and again gets one through now and then: ages of whole minutes don't say
        // which was last.
        _ => b.start > a.start && (first.reason != "FailedCreate" || first.count <= AGAIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: &str, message: &str, ago: i64, start: u64) -> (Event, Origin) {
        let event = Event {
            about: EntityId::object("Pod", "", "shop", "web-0"),
            warning: reason.starts_with("Fail"),
            reason: reason.to_owned(),
            message: message.to_owned(),
            printed: true,
            ago: Some(ago),
            ..Event::default()
        };
        let origin = Origin {
            entry: 0,
            start,
            end: start + 1,
        };
        (event, origin)
    }

    fn left(list: &[(Event, Origin)]) -> Vec<String> {
        let mut cluster = Cluster::default();
        for (i, (event, origin)) in list.iter().enumerate() {
            let mut event = event.clone();
            event.obj = defib_model::cluster::ObjId(i as u32);
            cluster.events.push(event);
            cluster.event_origins.push(*origin);
        }
        settle(&mut cluster);
        cluster.events.into_iter().map(|e| e.reason).collect()
    }

    #[test]
    fn what_was_done_later_is_no_trouble() {
        let failed = event("FailedScheduling", "0/1 nodes are available: x", 3000, 0);
        let placed = event(
            "Scheduled",
            "Successfully assigned shop/web-0 to n1",
            2940,
            9,
        );
        assert_eq!(left(&[failed.clone(), placed.clone()]), ["Scheduled"]);
        let again = event("FailedScheduling", "0/1 nodes are available: x", 60, 20);
        assert_eq!(left(&[placed, again]), ["Scheduled", "FailedScheduling"]);
    }

    #[test]
    fn another_container_that_starts_says_nothing() {
        let (mut failed, at) = event("Failed", "Failed to pull image \"a\": x", 300, 0);
        failed.container = Some("spec.containers{one}".to_owned());
        let started = event("Started", "Started container two", 200, 9);
        assert_eq!(
            left(&[(failed.clone(), at), started]),
            ["Failed", "Started"]
        );
        failed.container = Some("two".to_owned());
        let started = event("Started", "Started container two", 200, 9);
        assert_eq!(left(&[(failed, at), started]), ["Started"]);
    }
}
