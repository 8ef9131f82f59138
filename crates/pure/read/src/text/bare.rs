//! Messages that stand alone: an event's or a command's words without the table or the object around
//! them, as people and dashboards quote them.
//!
//! A line that begins with the words of one known message is that message; who is meant is told by the
//! lines before it or by the command. So are words in backticks, behind the bar of a table that a dashboard
//! drew, and the scheduler's count of nodes wherever it stands in a sentence. Deliberately absent: other words in the
//! middle of a line; those are for the signals.

use defib_model::cluster::ObjId;
use defib_model::fact::Value;
use defib_model::id::EntityId;
use defib_model::views::Event;

use super::{UNNAMED, Walk};
use crate::kinds;

/// Beginning of the message, reason of the event, kind that it is about.
const MESSAGES: &[(&str, &str, &str)] = &[
    // kubernetes: pkg/scheduler/framework/types.go
    (
        "no nodes available to schedule pods",
        "FailedScheduling",
        "pod",
    ),
    // kubernetes: pkg/controller/controller_utils.go
    ("Error creating: ", "FailedCreate", "rs"),
    // kubernetes: pkg/volume/util/operationexecutor, pkg/kubelet/volumemanager, pkg/controller/volume/attachdetach
    ("MountVolume.", "FailedMount", "pod"),
    ("Unable to attach or mount volumes: ", "FailedMount", "pod"),
    (
        "AttachVolume.Attach failed for volume ",
        "FailedAttachVolume",
        "pod",
    ),
    (
        "Multi-Attach error for volume ",
        "FailedAttachVolume",
        "pod",
    ),
    // kubernetes: pkg/kubelet/images, pkg/kubelet/kuberuntime
    ("Failed to pull image ", "Failed", "pod"),
    ("Error: ErrImage", "Failed", "pod"),
    ("Error: secret ", "Failed", "pod"),
    ("Error: configmap ", "Failed", "pod"),
    ("Error: couldn't find key ", "Failed", "pod"),
    ("Error: container has runAsNonRoot", "Failed", "pod"),
    ("Error: failed to create containerd task", "Failed", "pod"),
    ("Error: failed to start container", "Failed", "pod"),
    ("Back-off restarting failed container", "BackOff", "pod"),
    ("Back-off pulling image ", "BackOff", "pod"),
    (
        "Failed to create pod sandbox: ",
        "FailedCreatePodSandBox",
        "pod",
    ),
    ("The node was low on resource: ", "Evicted", "pod"),
    ("The node had condition: ", "Evicted", "pod"),
    // kubernetes: pkg/controller/volume/persistentvolume/pv_controller.go
    ("Cannot bind to requested volume ", "VolumeMismatch", "pvc"),
    (
        "no persistent volumes available for this claim and no storage class is set",
        "FailedBinding",
        "pvc",
    ),
    (
        "waiting for first consumer to be created before binding",
        "WaitForFirstConsumer",
        "pvc",
    ),
    ("storageclass.storage.k8s.io ", "ProvisioningFailed", "pvc"),
    // kubernetes: pv_controller.go; sig-storage-lib-external-provisioner: controller.go
    (
        "Failed to provision volume with StorageClass ",
        "ProvisioningFailed",
        "pvc",
    ),
    (
        "failed to provision volume with StorageClass ",
        "ProvisioningFailed",
        "pvc",
    ),
    // kubernetes: pkg/kubelet/images/image_gc_manager.go, pkg/kubelet/eviction
    (
        "failed to garbage collect required amount of images",
        "FreeDiskSpaceFailed",
        "node",
    ),
    ("Attempting to reclaim ", "EvictionThresholdMet", "node"),
];

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    message(walk, at)
        .or_else(|| scheduler(walk, at))
        .or_else(|| error(walk, at))
}

/// Lines behind one of the scheduler in which it may say that the pod was placed.
const PLACED: usize = 2_000;

/// What the scheduler's own log says of a pod, as the event that it sends with it.
/// Source: kubernetes `pkg/scheduler/schedule_one.go` (handleSchedulingFailure, bind).
fn scheduler(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let (_, rest) = walk
        .text(at)
        .split_once("\"Unable to schedule pod; no fit; waiting\" pod=\"")?;
    let (pod, rest) = rest.split_once('"')?;
    let (_, said) = rest.split_once("err=\"")?;
    let message = said
        .rsplit_once('"')
        .map_or(said, |(head, _)| head)
        .to_owned();
    let bound = format!("\"Successfully bound pod to node\" pod=\"{pod}\"");
    let behind = at + 1..(at + PLACED).min(walk.lines.len());
    let (namespace, name) = pod.split_once('/')?;
    let about = EntityId::object("Pod", "", namespace, name);
    if behind.into_iter().any(|i| walk.text(i).contains(&bound))
        || !is_scheduling(&message)
        || walk.out.events.iter().any(|(e, _)| e.about == about)
    {
        return None;
    }
    let origin = walk.origin(at..at + 1);
    let range = origin.start as usize..origin.end as usize;
    walk.out.heard.push((range, about.clone()));
    let event = Event {
        obj: ObjId::default(),
        about,
        warning: true,
        reason: "FailedScheduling".to_owned(),
        message,
        count: 1,
        printed: true,
        ..Event::default()
    };
    walk.out.events.push((event, origin));
    Some(at + 1)
}

/// The reason and the kind of a message that is known by its beginning.
pub(super) fn meaning(text: &str) -> Option<(&'static str, &'static str)> {
    if is_scheduling(text) {
        return Some(("FailedScheduling", "pod"));
    }
    MESSAGES
        .iter()
        .find(|(begin, _, _)| text.starts_with(begin))
        .map(|(_, reason, kind)| (*reason, *kind))
}

/// The message that a line holds: all of it, or the part that somebody quotes.
fn quoted(line: &str) -> &str {
    let whole = line
        .trim()
        .trim_start_matches(['"', '\'', '`', '-', '*', '>', ' ']);
    if meaning(whole).is_some() || defib_formats::log::time_of(line).is_some() {
        return whole;
    }
    let ticks = line.split('`').skip(1).step_by(2);
    let bars = line.rsplit(" | ").take(1).filter(|_| line.contains(" | "));
    if let Some(part) = ticks.chain(bars).find(|p| meaning(p.trim()).is_some()) {
        return part.trim();
    }
    // `kubectl describe says 0/3 nodes are available: …`
    let counted = line.find(" nodes are available:").and_then(|at| {
        let head = line.get(..at)?;
        let from = head.rfind(|c: char| !(c.is_ascii_digit() || c == '/'))?;
        line.get(from..)?
            .trim_start_matches(|c: char| !c.is_ascii_digit())
            .split('`')
            .next()
    });
    let is_sentence = |head: &str| head.chars().any(char::is_alphabetic) && !head.contains('=');
    counted
        .filter(|c| is_scheduling(c) && line.split(c).next().is_some_and(is_sentence))
        .unwrap_or(whole)
}

fn message(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let text = quoted(walk.text(at)).to_owned();
    let (reason, about) = match stateful_set(walk, &text) {
        Some(about) => ("FailedCreate", about),
        None => {
            let (reason, kind) = meaning(&text)?;
            (reason, named(walk, at, kind)?)
        }
    };
    // The scheduler's sentences end with a full stop; until then they may be broken over lines.
    let mut text = text;
    let mut end = at + 1;
    while is_scheduling(&text)
        && end < at + 6
        && !text.ends_with(['.', '"', '\'', '`'])
        && walk.is_output(end)
        && walk
            .text(end)
            .trim_start()
            .starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '{')
        && !starts_anew(walk.text(end))
    {
        text.push(' ');
        text.push_str(walk.text(end).trim());
        end += 1;
    }
    let origin = walk.origin(at..end);
    let range = origin.start as usize..origin.end as usize;
    walk.out.heard.push((range, about.clone()));
    let event = Event {
        obj: ObjId::default(),
        about,
        warning: true,
        reason: reason.to_owned(),
        message: text,
        count: 1,
        printed: true,
        ..Event::default()
    };
    walk.out.events.push((event, origin));
    Some(end)
}

/// `0/3 nodes are available: …`, and a clause of it that somebody quotes alone: `1 node(s) had taint {…}, that the pod
/// didn't tolerate.`
fn is_scheduling(text: &str) -> bool {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let rest = text.get(digits..).unwrap_or_default();
    if digits > 0 && CLAUSES.iter().any(|c| rest.starts_with(c)) {
        return true;
    }
    let Some((head, _)) = text.split_once(" nodes are available:") else {
        return false;
    };
    head.split_once('/')
        .is_some_and(|(a, b)| a.parse::<u32>().is_ok() && b.parse::<u32>().is_ok())
}

/// How clauses of the scheduler begin, behind their count of nodes.
const CLAUSES: &[&str] = &[
    " node(s) had taint",
    " node(s) had untolerated taint",
    " node(s) had volume node affinity conflict",
    " node(s) didn't ",
    " node(s) were unschedulable",
    " Insufficient ",
    " Too many pods",
];

/// `create Pod web-0 in StatefulSet web failed error: …`.
/// Source: kubernetes `pkg/controller/statefulset/stateful_pod_control.go`.
fn stateful_set(walk: &Walk<'_>, text: &str) -> Option<EntityId> {
    let rest = text.strip_prefix("create Pod ")?;
    let (_, rest) = rest.split_once(" in StatefulSet ")?;
    let (name, _) = rest.split_once(" failed error: ")?;
    Some(EntityId::object(
        "StatefulSet",
        "apps",
        walk.namespace(),
        name,
    ))
}

/// Who is meant: what the command describes, or what the lines just before name (`kind/name`,
/// `namespace:name`, `namespace/name`); else nobody by name.
fn named(walk: &Walk<'_>, at: usize, kind: &str) -> Option<EntityId> {
    let kind = kinds::named(kind)?;
    if let Some(asked) = walk.described(Some(UNNAMED)) {
        return Some(asked);
    }
    let plain = |s: &str| {
        !s.is_empty()
            && s.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
    };
    let before = (at.saturating_sub(3)..at)
        .rev()
        .map(|i| walk.text(i).trim());
    let found = before.into_iter().find_map(|t| {
        let (a, b) = t.split_once(':').or_else(|| t.split_once('/'))?;
        (plain(a) && plain(b)).then(|| (a.to_owned(), b.to_owned()))
    });
    Some(match found {
        Some((a, name)) => match kinds::named(&a) {
            Some(k) => EntityId::object(k.kind, k.group(), "", &name),
            None => EntityId::object(
                kind.kind,
                kind.group(),
                if kind.cluster { "" } else { &a },
                &name,
            ),
        },
        None => EntityId::object(kind.kind, kind.group(), "", UNNAMED),
    })
}

/// What kubectl, helm and their like say when they fail: the whole paragraph, as it may be broken over
/// lines.
fn error(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    if !is_error(walk.text(at)) {
        return None;
    }
    let mut end = at + 1;
    while end < at + 12 && walk.is_output(end) && !starts_anew(walk.text(end)) {
        end += 1;
    }
    let said = (at..end)
        .map(|i| walk.text(i).trim())
        .collect::<Vec<_>>()
        .join(" ");
    let origin = walk.origin(at..end);
    walk.out.heard.push((
        origin.start as usize..origin.end as usize,
        EntityId::default(),
    ));
    walk.fact(at..end, Value::Error(said));
    Some(end)
}

/// Does a client's complaint begin here?
pub(super) fn is_error(text: &str) -> bool {
    let first = text.trim();
    [
        "Error from server",
        "error: ",
        "Error: ",
        "error when ",
        "Unable to connect to the server",
    ]
    .iter()
    .any(|m| first.starts_with(m))
}

/// A line that begins something else: another error, a log line, a table.
pub(super) fn starts_anew(text: &str) -> bool {
    let t = text.trim_start();
    t.starts_with("Error")
        || t.starts_with("error: ")
        || t.starts_with("Warning")
        || defib_formats::log::time_of(t).is_some()
        || defib_formats::log::origin(t).is_some()
        || defib_formats::text::is_header(t)
}

#[cfg(test)]
mod tests {
    use defib_model::fact::Value;

    #[test]
    fn messages_alone_are_events() {
        let got = super::super::read(b"kube-system:svclb-web-x2p2m  \nFailedScheduling \n0/2 nodes are available: 2 Insufficient cpu.\n", 0);
        let (e, _) = &got.events[0];
        assert_eq!(
            (e.about.as_str(), e.reason.as_str()),
            ("pod/kube-system/svclb-web-x2p2m", "FailedScheduling")
        );
        let got = super::super::read(b"k describe sts -n shop web\ncreate Pod web-0 in StatefulSet web failed error: pods \"web-0\" is forbidden: x\n", 0);
        assert_eq!(got.events[0].0.about.as_str(), "statefulset.apps/shop/web");
    }

    #[test]
    fn quoted_messages_are_messages() {
        for (line, said) in [
            (
                "describe on one of them: `0/1 nodes are available: 1 Too many pods`. It sits at 220.",
                "0/1 nodes are available: 1 Too many pods",
            ),
            (
                "it says 0/3 nodes are available: 3 Insufficient memory.",
                "0/3 nodes are available: 3 Insufficient memory.",
            ),
            (
                "VolumeMismatch (82) | 2.9 mins ago | Cannot bind to requested volume \"a\": requested PV is too small",
                "Cannot bind to requested volume \"a\": requested PV is too small",
            ),
        ] {
            let got = super::super::read(line.as_bytes(), 0);
            let messages: Vec<&str> = got.events.iter().map(|(e, _)| e.message.as_str()).collect();
            assert_eq!(messages, [said], "{line}");
        }
        let log = "E0110 10:00:00.0 1 scheduler.go:344] \"Unable to schedule\" err=\"0/3 nodes are available: 3 Insufficient cpu.\"";
        assert!(super::super::read(log.as_bytes(), 0).events.is_empty());
    }

    #[test]
    fn the_scheduler_is_heard_to_its_full_stop() {
        let got = super::super::read(b"0/1 nodes are available:\n1 node(s) had untolerated taint\n{gpu: only}. preemption: not helpful.\nand so on\n", 0);
        assert_eq!(got.events.len(), 1);
        assert!(
            got.events[0]
                .0
                .message
                .ends_with("{gpu: only}. preemption: not helpful."),
            "{got:?}"
        );
    }

    #[test]
    fn errors_are_whole_paragraphs() {
        let got = super::super::read(b" Error from server (InternalError): error when creating \"STDIN\": Internal error occurred: \n  failed calling webhook \"a.b\": \n  dial tcp 10.43.0.9:443: connect: connection refused\n\nnext\n", 0);
        let errors: Vec<_> = got
            .facts
            .iter()
            .filter_map(|f| match &f.value {
                Value::Error(t) => Some(t.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(
            errors,
            [
                "Error from server (InternalError): error when creating \"STDIN\": Internal error occurred: failed calling webhook \"a.b\": dial tcp 10.43.0.9:443: connect: connection refused"
            ]
        );
    }
}
