//! Events as kubectl prints them: tables of `get events`, and the rows below `describe`.
//!
//! Printed ages are relative to a moment that the text does not name; such an event has no time, and its
//! place in the text is its order. Deliberately absent: what events mean.

use defib_formats::text::{Table, columns, is_age, is_header};
use defib_model::cluster::ObjId;
use defib_model::id::EntityId;
use defib_model::views::Event;

use super::{UNNAMED, Walk, asked};
use crate::kinds;

/// One printed event.
#[derive(Default)]
struct Printed {
    about: EntityId,
    container: Option<String>,
    warning: bool,
    reason: String,
    component: String,
    message: String,
    age: String,
}

fn take(walk: &mut Walk<'_>, lines: std::ops::Range<usize>, p: Printed) {
    let origin = walk.origin(lines);
    let range = origin.start as usize..origin.end as usize;
    walk.out.heard.push((range, p.about.clone()));
    let event = Event {
        obj: ObjId::default(),
        about: p.about,
        about_uid: String::new(),
        container: p.container,
        warning: p.warning,
        reason: p.reason,
        message: p.message,
        message_path: "",
        count: count(&p.age),
        first: None,
        last: None,
        component: p.component,
        printed: true,
        ago: ago(&p.age),
    };
    walk.out.events.push((event, origin));
}

/// `10s (x12 over 2m36s)` counts 12.
fn count(age: &str) -> i64 {
    age.split_once("(x")
        .and_then(|(_, rest)| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(1)
}

/// Seconds of `10s (x12 over 2m36s)`, `5d3h`; nothing of `<unknown>`.
/// Source: kubernetes apimachinery `pkg/util/duration/duration.go`.
fn ago(age: &str) -> Option<i64> {
    let word = age.split_ascii_whitespace().next()?;
    let (mut sum, mut number) = (0i64, String::new());
    for c in word.chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'y' => 365 * 86_400,
            _ => return None,
        };
        let value: i64 = number.parse().ok()?;
        sum = sum.checked_add(value.checked_mul(unit)?)?;
        number.clear();
    }
    number.is_empty().then_some(sum)
}

/// A column of a kind as kubectl writes it (`pod/x`, `Pod`) into an id.
fn about(kind: &str, namespace: &str, name: &str) -> EntityId {
    match kinds::named(kind) {
        Some(k) => EntityId::object(
            k.kind,
            k.group(),
            if k.cluster { "" } else { namespace },
            name,
        ),
        None => EntityId::object(
            kind.split('.').next().unwrap_or_default(),
            "",
            namespace,
            name,
        ),
    }
}

/// `kubectl get events`: `LAST SEEN TYPE REASON OBJECT MESSAGE`, wider forms, and the older one with
/// `NAME KIND`.
pub(super) fn table(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let header = walk.text(at).trim_end().to_owned();
    let names: Vec<String> = columns(&header).into_iter().map(|(_, c)| c).collect();
    let has = |n: &str| names.iter().any(|c| c == n);
    let object = has("OBJECT");
    if !(has("REASON") && has("MESSAGE") && (object || has("KIND"))) {
        return None;
    }
    asked::turn(walk, "Event");
    let table = Table::new(&header);
    let default = walk
        .kubectl()
        .and_then(|(c, _)| c.option("-n", "--namespace").map(str::to_owned))
        .unwrap_or_default();
    let mut end = at + 1;
    while walk.is_output(end) {
        let Some(row) = table.row(walk.text(end)) else {
            break;
        };
        let namespace = match row.get("NAMESPACE") {
            "" => default.clone(),
            n => n.to_owned(),
        };
        let (kind, name) = if object {
            row.get("OBJECT").split_once('/').unwrap_or_default()
        } else {
            (
                row.get("KIND"),
                row.get("NAME").split('.').next().unwrap_or_default(),
            )
        };
        if row.get("REASON").is_empty() || kind.is_empty() {
            break;
        }
        let container = row
            .get("SUBOBJECT")
            .split_once('{')
            .and_then(|(_, r)| r.strip_suffix('}'))
            .map(str::to_owned);
        let mut message = row.get("MESSAGE").to_owned();
        let first = end;
        end += 1;
        // A message with line ends goes on at the left edge, or far to the right.
        while walk.is_output(end)
            && !is_header(walk.text(end))
            && table
                .row(walk.text(end))
                .is_none_or(|r| r.get("REASON").is_empty() || !r.get("OBJECT").contains('/'))
            && table
                .row(walk.text(end))
                .is_none_or(|r| !matches!(r.get("TYPE"), "Normal" | "Warning"))
            && object
        {
            message.push(' ');
            message.push_str(walk.text(end).trim());
            end += 1;
        }
        let printed = Printed {
            about: about(kind, &namespace, name),
            container,
            warning: row.get("TYPE") == "Warning",
            reason: row.get("REASON").to_owned(),
            component: row.get("SOURCE").to_owned(),
            message,
            age: match row.get("COUNT") {
                "" => row.get("LAST SEEN").to_owned(),
                n => format!("{} (x{n} over", row.get("LAST SEEN")),
            },
        };
        take(walk, first..end, printed);
    }
    (end > at + 1).then_some(end)
}

/// A row of the table below `describe`: `Warning  FailedScheduling  75s  default-scheduler  0/1 nodes …`;
/// also without its header, and in the older form with the counts first.
pub(super) fn rows(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let about = walk.described(None).unwrap_or_default();
    read_rows(walk, at, &about)
}

/// An event in a controller's own log, in the two forms of client-go:
/// `Event(v1.ObjectReference{Kind:"Pod", …}): type: 'Warning' reason: 'FailedAttachVolume' MESSAGE` and
/// `"Event occurred" object="ns/name" kind="Pod" … type="Warning" reason="…" message="…"`.
/// Source: client-go `tools/record/event.go` (StartLogging, StartStructuredLogging).
pub(super) fn logged(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    let text = walk.text(at).to_owned();
    let field = |marks: [&str; 2]| {
        let rest = text.split_once(marks[0])?.1;
        rest.split_once(marks[1]).map(|(v, _)| v.to_owned())
    };
    let printed = if text.contains("Event(v1.ObjectReference{") {
        let rest = text.split_once("): type: '")?.1;
        let (kind, rest) = rest.split_once("' reason: '")?;
        let (reason, message) = rest.split_once("' ")?;
        Printed {
            about: about(
                &field(["Kind:\"", "\""])?,
                &field(["Namespace:\"", "\""]).unwrap_or_default(),
                &field(["Name:\"", "\""])?,
            ),
            warning: kind == "Warning",
            reason: reason.to_owned(),
            message: message.trim().to_owned(),
            ..Printed::default()
        }
    } else if text.contains("\"Event occurred\"") {
        let object = field([" object=\"", "\""])?;
        let (namespace, name) = object.split_once('/').unwrap_or(("", &object));
        let message = text.split_once(" message=\"")?.1;
        Printed {
            about: about(&field([" kind=\"", "\""])?, namespace, name),
            warning: text.contains(" type=\"Warning\""),
            reason: field([" reason=\"", "\""])?,
            message: message.trim_end_matches('"').replace("\\\"", "\""),
            ..Printed::default()
        }
    } else {
        return None;
    };
    take(walk, at..at + 1, printed);
    Some(at + 1)
}

/// The rows from here on, about this entity.
pub(super) fn read_rows(walk: &mut Walk<'_>, at: usize, about: &EntityId) -> Option<usize> {
    let before = walk.out.events.len();
    let mut assigned = None;
    let mut end = at;
    while walk.is_output(end)
        || (end > at && walk.text(end).trim().is_empty() && one(walk.text(end + 1)).is_some())
    {
        if walk.text(end).trim().is_empty() {
            end += 1;
            continue;
        }
        let text = walk.text(end);
        let cells = columns(text);
        let is_head = cells
            .first()
            .and_then(|(_, c)| c.split(' ').next())
            .is_some_and(|c| {
                matches!(c, "Type" | "FirstSeen" | "FIRSTSEEN" | "----" | "---------")
            });
        if is_head {
            end += 1;
            continue;
        }
        let Some(mut printed) = one_in(text, walk.namespace()) else {
            break;
        };
        if printed.about.as_str().is_empty() {
            printed.about = about.clone();
        }
        let first = end;
        end += 1;
        // What goes on far to the right, or is no row of its own, belongs to the message.
        while walk.is_output(end) && one(walk.text(end)).is_none() && goes_on(walk, first, end) {
            printed.message.push(' ');
            printed.message.push_str(walk.text(end).trim());
            end += 1;
        }
        if printed.about.as_str().is_empty() {
            printed.about = guess(&printed);
        }
        if printed.about.as_str() == "pod/unnamed"
            && let Some(name) = balancer(walk, first)
        {
            printed.about = EntityId::object("Pod", "", "", &name);
        }
        // `Successfully assigned shop/web-0 to n1`: the scheduler names whose events these are.
        if let Some(rest) = printed.message.strip_prefix("Successfully assigned ")
            && let Some((namespace, pod)) = rest.split(' ').next().and_then(|p| p.split_once('/'))
        {
            assigned = Some(EntityId::object("Pod", "", namespace, pod));
            if printed.about.name() == UNNAMED || printed.about.namespace().is_none() {
                printed.about = assigned.clone().unwrap_or_default();
            }
        }
        if let Some(pod) = assigned
            .as_ref()
            .filter(|_| printed.about.as_str() == "pod/unnamed")
        {
            printed.about = pod.clone();
        }
        take(walk, first..end, printed);
    }
    (end > at && walk.out.events.len() > before).then_some(end)
}

/// A pod of k3s' service balancer that the lines before mention: nothing else has such a name.
/// Source: k3s `pkg/cloudprovider/servicelb.go` (`svclb-`).
fn balancer(walk: &Walk<'_>, at: usize) -> Option<String> {
    let above = (at.saturating_sub(4)..at).rev();
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    above
        .flat_map(|i| walk.text(i).split(|c: char| !is_part(c)))
        .find(|word| word.len() > "svclb-".len() && word.starts_with("svclb-"))
        .map(str::to_owned)
}

/// Does this line go on with the message of the event that begins at `first`?
fn goes_on(walk: &Walk<'_>, first: usize, at: usize) -> bool {
    let row = walk.lines.get(first).map_or(0, |l| l.indent());
    let line = walk.lines.get(at).map_or(0, |l| l.indent());
    let text = walk.text(at).trim_start();
    // What mount-utils says of a mount that failed, in lines of its own (`mount_linux.go`).
    let of_mount = ["Mounting command: ", "Mounting arguments: ", "Output: "];
    if of_mount.iter().any(|begin| text.starts_with(begin)) {
        return true;
    }
    // The next part of a description begins at the left edge with its name and a colon.
    let heading = text
        .split_once(':')
        .is_some_and(|(k, _)| !k.contains('"') && k.split(' ').count() <= 3)
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && line <= row;
    // A name and nothing but its colon opens a part of its own, how far it stands to the right.
    let word = text.trim_end().strip_suffix(':');
    if word.is_some_and(|w| !w.is_empty() && w.chars().all(|c| c.is_ascii_alphabetic())) {
        return false;
    }
    if narrow(walk.text(first)).is_some() {
        // Written by hand: the message was broken where the page ended.
        let begins = text.starts_with(|c: char| c.is_ascii_uppercase());
        let anew = (begins && heading) || super::bare::starts_anew(text);
        return !anew;
    }
    // A mail or a narrow window broke it where the page ended.
    let page = 60..=100;
    let above = at
        .checked_sub(1)
        .map_or(0, |i| walk.text(i).trim_end().chars().count());
    let wrapped = page.contains(&above)
        && page.contains(&walk.text(first).trim_end().chars().count())
        && !super::bare::starts_anew(text);
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || c == '*' || c == '-');
    (line > row || begins || wrapped) && !heading
}

/// An event of which the columns that a command chose show these fields.
pub(super) fn shown(walk: &mut Walk<'_>, line: usize, fields: &serde_json::Value, namespace: &str) {
    let text = |pointer: &str| {
        let value = fields.pointer(pointer);
        value
            .and_then(|v| v.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let object = |field: &str| {
        let of = |part: &str| text(&format!("/{part}/{field}"));
        Some(of("involvedObject"))
            .filter(|t| !t.is_empty())
            .unwrap_or_else(|| of("regarding"))
    };
    let message = text("/message");
    let (reason, kind) = match text("/reason") {
        reason if !reason.is_empty() => {
            let kind = guess_kind(&reason);
            (reason, kind)
        }
        _ => match super::bare::meaning(&message) {
            Some((reason, kind)) => (reason.to_owned(), kind),
            None => return,
        },
    };
    let kind = Some(object("kind"))
        .filter(|k| !k.is_empty())
        .unwrap_or_else(|| kind.to_owned());
    let name = Some(object("name"))
        .filter(|n| !n.is_empty())
        .unwrap_or_else(|| UNNAMED.to_owned());
    let space = Some(object("namespace"))
        .filter(|n| !n.is_empty())
        .unwrap_or_else(|| namespace.to_owned());
    let count = fields.pointer("/count").and_then(serde_json::Value::as_i64);
    let printed = Printed {
        about: about(&kind, &space, &name),
        warning: match text("/type").as_str() {
            "" => WARNINGS.iter().any(|w| reason.starts_with(w)),
            kind => kind == "Warning",
        },
        reason,
        message,
        age: count.map_or_else(String::new, |n| format!("(x{n} over")),
        ..Printed::default()
    };
    take(walk, line..line + 1, printed);
}

/// Beginnings of the reasons that are warnings.
const WARNINGS: &[&str] = &[
    "Failed",
    "BackOff",
    "Unhealthy",
    "Evicted",
    "Err",
    "Inspect",
    "Provisioning",
    "VolumeMismatch",
    "NodeNotReady",
    "SystemOOM",
    "FreeDisk",
    "ImageGC",
    "Conflict",
    "Network",
];

/// What an event of this reason is mostly about.
fn guess_kind(reason: &str) -> &'static str {
    match reason {
        "FailedBinding"
        | "ProvisioningFailed"
        | "VolumeMismatch"
        | "WaitForFirstConsumer"
        | "ExternalProvisioning" => "pvc",
        "FailedCreate" => "rs",
        "NodeNotReady"
        | "FreeDiskSpaceFailed"
        | "EvictionThresholdMet"
        | "ImageGCFailed"
        | "NodeHasDiskPressure"
        | "SystemOOM"
        | "Rebooted" => "node",
        _ => "pod",
    }
}

/// Is this a row of the events below a description?
pub(super) fn is_row(text: &str) -> bool {
    one(text).is_some()
}

/// One row.
fn one(text: &str) -> Option<Printed> {
    one_in(text, "")
}

/// The same, in the namespace that the command names where the row names none.
fn one_in(text: &str, asked: &str) -> Option<Printed> {
    let mut cells: Vec<String> = Vec::new();
    for (_, cell) in columns(text) {
        // In the older form one space may part type and reason.
        match cell.split_once(' ') {
            Some((kind @ ("Normal" | "Warning"), rest)) if !rest.contains(' ') => {
                cells.push(kind.to_owned());
                cells.push(rest.to_owned());
            }
            _ => cells.push(cell),
        }
    }
    if cells.len() < 4
        && let Some(printed) = narrow(text)
    {
        return Some(printed);
    }
    // The older form: first seen, last seen, count, from, (sub-object,) type, reason, message.
    let at = cells.iter().position(|c| {
        matches!(c.as_str(), "Normal" | "Warning")
            || c.ends_with(" Normal")
            || c.ends_with(" Warning")
    })?;
    let head = cells.get(at)?;
    let warning = head.ends_with("Warning");
    let word = |s: &str| {
        !s.is_empty()
            && s.chars().all(|c| c.is_ascii_alphanumeric())
            && s.starts_with(|c: char| c.is_ascii_uppercase())
    };
    // `19m  Warning  Failed  pod/x  Error: …`: a row of `get events` without its header.
    if let Some((kind, name)) = cells.get(at + 2).and_then(|c| c.split_once('/'))
        && at <= 2
        && head.len() <= 7
        && let Some(kind) = kinds::named(kind)
        && word(cells.get(at + 1)?)
        && !name.contains([' ', '/'])
    {
        let namespace = if at == 2 {
            cells.first()?.as_str()
        } else {
            asked
        };
        return Some(Printed {
            about: EntityId::object(
                kind.kind,
                kind.group(),
                if kind.cluster { "" } else { namespace },
                name,
            ),
            warning,
            reason: cells.get(at + 1)?.clone(),
            message: cells.get(at + 3..).unwrap_or_default().join("  "),
            age: at
                .checked_sub(1)
                .and_then(|i| cells.get(i))
                .cloned()
                .unwrap_or_default(),
            ..Printed::default()
        });
    }
    if at == 0 {
        let reason = cells.get(1)?;
        if !word(reason) || cells.len() < 4 {
            return None;
        }
        // Nobody signs what the scheduler says by the newer API: the column is empty then.
        let signed = cells
            .get(3)
            .is_some_and(|c| cells.len() > 4 || c.split(' ').count() <= 2);
        let from = if signed { 4 } else { 3 };
        let message = cells.get(from..).unwrap_or_default().join("  ");
        return Some(Printed {
            warning,
            reason: reason.clone(),
            age: cells.get(2)?.clone(),
            component: cells.get(3).filter(|_| signed).cloned().unwrap_or_default(),
            message,
            ..Printed::default()
        });
    }
    let reason = cells.get(at + 1)?;
    if !word(reason) {
        return None;
    }
    let before = cells.get(..at)?.join("  ");
    let braces: Vec<&str> = before
        .split('{')
        .skip(1)
        .filter_map(|s| s.split('}').next())
        .collect();
    let container = before
        .contains("spec.containers{")
        .then(|| braces.last().copied().unwrap_or_default().to_owned());
    let count = before
        .split_ascii_whitespace()
        .find_map(|w| w.parse::<i64>().ok())
        .unwrap_or(1);
    Some(Printed {
        warning,
        reason: reason.clone(),
        age: format!("(x{count} over"),
        component: braces.first().copied().unwrap_or_default().to_owned(),
        container,
        message: cells.get(at + 2..).unwrap_or_default().join("  "),
        ..Printed::default()
    })
}

/// A row whose wide space is lost: type, reason, age (or the dots of who left it out), who says it if
/// that is known to speak in events, message.
fn narrow(text: &str) -> Option<Printed> {
    let mut words = text.split_ascii_whitespace().peekable();
    let kind = words
        .next()
        .filter(|w| matches!(*w, "Normal" | "Warning"))?;
    let reason = words.next().filter(|w| {
        w.len() > 3
            && w.starts_with(|c: char| c.is_ascii_uppercase())
            && w.chars().all(|c| c.is_ascii_alphanumeric())
    })?;
    let mut age = words
        .next()
        .filter(|w| is_age(w) || matches!(*w, "..." | "…"))?
        .to_owned();
    if words.peek().is_some_and(|w| w.starts_with("(x")) {
        for word in words.by_ref() {
            age.push(' ');
            age.push_str(word);
            if word.ends_with(')') {
                break;
            }
        }
    }
    let component = words
        .next_if(|w| {
            w.trim_end_matches(',') == "kubelet"
                || ["-controller", "-scheduler", "-manager", "-provisioner"]
                    .iter()
                    .any(|end| w.ends_with(end))
        })
        .unwrap_or_default();
    let message = words.collect::<Vec<_>>().join(" ");
    (!message.is_empty()).then(|| Printed {
        warning: kind == "Warning",
        reason: reason.to_owned(),
        age,
        component: component.to_owned(),
        message,
        ..Printed::default()
    })
}

/// What an event without its object is about: who speaks, and of what, says the kind; nobody says the name.
fn guess(p: &Printed) -> EntityId {
    let component = p.component.split([',', ' ']).next().unwrap_or_default();
    let node = p
        .component
        .split_once([',', ' '])
        .map(|(_, n)| n.trim())
        .unwrap_or_default();
    let of_node = matches!(
        p.reason.as_str(),
        "ImageGCFailed"
            | "FreeDiskSpaceFailed"
            | "EvictionThresholdMet"
            | "NodeHasDiskPressure"
            | "NodeNotReady"
            | "Rebooted"
            | "InvalidDiskCapacity"
            | "NodeHasInsufficientMemory"
            | "SystemOOM"
            | "NodeNotSchedulable"
    );
    match component {
        "kubelet" if of_node && !node.is_empty() => EntityId::object("Node", "", "", node),
        "persistentvolume-controller" | "volume_expand" => {
            EntityId::object("PersistentVolumeClaim", "", "", UNNAMED)
        }
        "replicaset-controller" => EntityId::object("ReplicaSet", "apps", "", UNNAMED),
        "statefulset-controller" => EntityId::object("StatefulSet", "apps", "", UNNAMED),
        "daemonset-controller" => EntityId::object("DaemonSet", "apps", "", UNNAMED),
        "job-controller" => EntityId::object("Job", "batch", "", UNNAMED),
        _ if of_node => EntityId::object("Node", "", "", UNNAMED),
        _ => EntityId::object("Pod", "", "", UNNAMED),
    }
}

#[cfg(test)]
mod tests {
    use defib_model::views::Event;

    fn events(text: &str) -> Vec<Event> {
        super::super::read(text.as_bytes(), 0)
            .events
            .into_iter()
            .map(|(e, _)| e)
            .collect()
    }

    #[test]
    fn ages_are_read_as_kubectl_writes_them() {
        let seconds = ["10s (x12 over 2m36s)", "2m36s", "5d3h", "<unknown>", ""].map(super::ago);
        assert_eq!(seconds, [Some(10), Some(156), Some(442_800), None, None]);
    }

    #[test]
    fn a_message_that_a_mail_broke_goes_on() {
        let got = events(
            "  Warning  Failed     8m (x4 over 10m)   kubelet            Failed to pull image\n\"registry.shop.example:5000/till:4\": failed to do request:\nHead \"https://registry.shop.example:5000/v2/\": tls: failed to verify certificate\n  Normal   BackOff    18s (x42 over 10m) kubelet            Back-off pulling image\n\"registry.shop.example:5000/till:4\"\n\nThe CA is there: we looked.\n",
        );
        assert_eq!(got.len(), 2);
        assert!(
            got[0].message.ends_with("failed to verify certificate"),
            "{}",
            got[0].message
        );
        assert!(got[1].message.ends_with("till:4\""), "{}", got[1].message);
        // A description goes on with its next part.
        let got = events(
            "  Warning  Failed     8m (x4 over 10m)   kubelet            Failed to pull image\nVolumes:  <none>\n",
        );
        assert_eq!(got[0].message, "Failed to pull image");
    }

    #[test]
    fn controllers_log_their_events() {
        for line in [
            "I0907 03:50:09.373103       1 event.go:218] Event(v1.ObjectReference{Kind:\"Pod\", Namespace:\"shop\", Name:\"web-0\", UID:\"x\", APIVersion:\"v1\"}): type: 'Warning' reason: 'FailedAttachVolume' Multi-Attach error for volume \"v\"",
            "I0907 03:50:09.373103       1 event.go:307] \"Event occurred\" object=\"shop/web-0\" fieldPath=\"\" kind=\"Pod\" apiVersion=\"v1\" type=\"Warning\" reason=\"FailedAttachVolume\" message=\"Multi-Attach error for volume \\\"v\\\"\"",
        ] {
            let got = events(line);
            assert_eq!(
                (got.len(), got[0].about.as_str(), got[0].reason.as_str()),
                (1, "pod/shop/web-0", "FailedAttachVolume"),
                "{line}"
            );
            assert!(
                got[0]
                    .message
                    .starts_with("Multi-Attach error for volume \"v"),
                "{}",
                got[0].message
            );
        }
    }

    #[test]
    fn rows_written_by_hand_are_read_to_the_end_of_their_message() {
        let got = events(
            "kubectl describe rs -n shop till-5c\nEvents:\nType Reason Age From Message\n---- ------ ---- ---- -------\nWarning FailedCreate 2m replicaset-controller Error creating: pods \"till-5c-x\"\nis forbidden: exceeded quota: small,\nrequested: pods=1\n\n$ true\n",
        );
        assert_eq!(got.len(), 1, "{got:?}");
        assert_eq!(
            (
                got[0].about.as_str(),
                got[0].component.as_str(),
                got[0].message.as_str()
            ),
            (
                "replicaset.apps/shop/till-5c",
                "replicaset-controller",
                "Error creating: pods \"till-5c-x\" is forbidden: exceeded quota: small, requested: pods=1"
            )
        );
        let got = events(
            "kubectl describe pvc -n shop till\n# Events:\n# Warning ProvisioningFailed ... storageclass.storage.k8s.io \"fast\"\n# not found\n",
        );
        assert_eq!(got.len(), 1, "{got:?}");
        assert!(got[0].message.ends_with("\"fast\" not found"), "{got:?}");
        // A sentence is no event, and a new part of the description is no message.
        assert!(events("Warning Failed is what it said\n").is_empty());
        let got = events(
            "Events:\nWarning Failed 2m kubelet Error: ErrImagePull\nName: other\nNamespace: shop\n",
        );
        assert_eq!(got[0].message, "Error: ErrImagePull");
    }

    #[test]
    fn tables_and_rows_are_read() {
        let got = events(
            "$ kubectl get events -n shop\nLAST SEEN   TYPE      REASON             OBJECT        MESSAGE\n5m          Warning   FailedScheduling   pod/web-0     0/1 nodes are available: 1 Insufficient cpu.\n4m          Normal    Pulled             pod/web-1     Container image already present\n",
        );
        assert_eq!(
            (got.len(), got[0].about.as_str(), got[0].reason.as_str()),
            (2, "pod/shop/web-0", "FailedScheduling")
        );
        let got = events(
            "Events:\n  Type     Reason            Age                  From               Message\n  ----     ------            ----                 ----               -------\n  Warning  FailedScheduling  10s (x12 over 2m36s)  default-scheduler  0/1 nodes are available: 1 Insufficient cpu.\n",
        );
        assert_eq!(
            (got.len(), got[0].count, got[0].message.as_str()),
            (1, 12, "0/1 nodes are available: 1 Insufficient cpu.")
        );
        let got = events(
            "  16m   42s 11  {kubelet pool-22328c35-ijcs}    spec.containers{db}  Warning Unhealthy   Liveness probe failed: a\n                  b\n",
        );
        assert!(got.is_empty() || got[0].container.as_deref() == Some("db"));
    }
}
