//! What was said about hosts, whoever said it, and what commands showed of them: lines and facts, host
//! by host; and whether it is over.
//!
//! A line of an event counts for the host where its pod runs, and the trouble of that pod is the line's.
//! Deliberately absent: what the words mean; rules name the signals. Conditions (`conditions::host`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use defib_model::Evidence;
use defib_model::condition::ConditionKind as K;
use defib_model::fact::{Answer, Fact, Value};
use defib_model::id::EntityId;
use defib_model::kubectl;
use defib_model::signal::{Hit, LogLine};
use jiff::Timestamp;

use super::order::{self, Moment};
use crate::context::Context;
use crate::rule::Finding;

/// Signals that say that a start came to its good end.
const UP: &[&str] = &["k3s.up", "k3s.agent-up"];

/// The host of this name; `host/-` where the evidence does not name it.
pub fn entity(name: &str) -> EntityId {
    EntityId::other("host", if name.is_empty() { "-" } else { name })
}

/// The host in a sentence.
pub fn called(host: &EntityId) -> String {
    match host.name() {
        "-" => "the host".to_owned(),
        name => format!("host {name}"),
    }
}

/// Is this about the host, as far as anybody says?
pub fn same_host(a: &str, b: &str) -> bool {
    a.is_empty() || b.is_empty() || a == "-" || b == "-" || a == b
}

/// Beginnings of the names of what a cluster is made of, where somebody starts it by hand.
const OWN: &[&str] = &["k3s", "rke2", "kube", "containerd", "etcd", "flannel"];

/// One line.
#[derive(Clone, Debug)]
pub struct Told<'c> {
    /// The signal that it is.
    pub signal: &'static str,
    /// The host; `host/-` where nobody names it.
    pub host: EntityId,
    /// What an event that says it is about.
    pub about: Option<EntityId>,
    /// The container's pod, if the line stands in a container's log.
    pub speaker: Option<&'c EntityId>,
    /// The file, as an index into `Cluster::entries`.
    pub entry: u32,
    /// The program that the line names.
    pub program: &'c str,
    /// The line as it stands, with its time and the groups of the signal's pattern.
    pub line: &'c LogLine,
    /// Its text, unescaped.
    pub text: Cow<'c, str>,
    /// How often the signal was heard in that log.
    pub count: u64,
    /// The last time that the signal was heard in that log.
    pub last: Option<Timestamp>,
    /// The citation.
    pub evidence: Evidence,
}

impl<'c> Told<'c> {
    /// The group of this number; empty where it did not match.
    pub fn group(&self, index: usize) -> &'c str {
        self.line.groups.get(index).map_or("", String::as_str)
    }

    /// When it was said.
    pub fn moment(&self) -> Moment<'_> {
        Moment {
            entry: self.entry,
            line: self.line.line,
            host: match self.host.name() {
                "-" => "",
                name => name,
            },
            time: self.line.time,
            local: self.line.local,
        }
    }

    /// Does the same log say one of these behind this line?
    pub fn is_followed(&self, cx: &Context<'_>, signals: &[&str]) -> bool {
        cx.heard().any(|h| {
            signals.contains(&h.signal)
                && h.entry == self.entry
                && order::is_behind(cx, &Moment::last(h), &self.moment())
        })
    }

    /// The last time that this was heard ahead of this line in the same log, even if it is over: the
    /// number of that line, and its hit.
    pub fn last_heard(&self, cx: &'c Context<'_>, signal: &str) -> Option<(u64, &'c Hit)> {
        cx.heard()
            .filter(|h| h.signal == signal && h.entry == self.entry)
            .flat_map(|h| h.lines.iter().map(move |l| (l.line, h)))
            .filter(|(at, _)| *at < self.line.line)
            .max_by_key(|(at, _)| *at)
    }

    /// The command that said this line itself, as its words: one that somebody ran by hand, and that does not only
    /// show what others wrote. Where its reader complains in its own name, that is the reader's word.
    fn by_hand(&self, cx: &'c Context<'_>) -> Option<&'c [String]> {
        if !self.program.is_empty() || self.speaker.is_some() {
            return None;
        }
        let (_, words) = self.command(cx)?;
        let program = ran_by(words);
        let own = self.text.trim_start().strip_prefix(program);
        let speaks = own.is_some_and(|rest| rest.starts_with(": "));
        (speaks || !shows_others(program, words)).then_some(words)
    }

    /// The command that printed this line, whoever says it: the last one ahead of it in the same transcript.
    pub fn command(&self, cx: &'c Context<'_>) -> Option<(&'c Fact, &'c [String])> {
        let ran = self.last_fact(cx, |v| matches!(v, Value::Ran(_)))?;
        match &ran.value {
            Value::Ran(words) => Some((ran, words)),
            _ => None,
        }
    }

    /// Does a program say this that somebody ran by hand, and that is no part of the cluster?
    pub fn is_foreign(&self, cx: &'c Context<'_>) -> bool {
        self.by_hand(cx).is_some_and(|words| {
            let program = ran_by(words);
            program == "kubectl" || !OWN.iter().any(|own| program.starts_with(own))
        })
    }

    /// The last fact of this kind ahead of this line in the same transcript, or in the line itself: of
    /// several commands the last one printed the line.
    pub fn last_fact(
        &self,
        cx: &'c Context<'_>,
        wanted: impl Fn(&Value) -> bool,
    ) -> Option<&'c Fact> {
        last_fact(cx, self.entry, self.line.line, wanted)
    }
}

/// The last fact of this kind in a file up to a line.
fn last_fact<'c>(
    cx: &'c Context<'_>,
    entry: u32,
    line: u64,
    wanted: impl Fn(&Value) -> bool,
) -> Option<&'c Fact> {
    let facts = cx.cluster.facts.iter();
    facts
        .filter(|f| f.entry == entry && f.line <= line && wanted(&f.value))
        .max_by_key(|f| f.line)
}

/// The command that printed what is cited, as [`Told::command`] has it for a line.
pub fn printed_by<'c>(cx: &'c Context<'_>, evidence: &Evidence) -> Option<&'c Fact> {
    let entry = cx
        .cluster
        .entries
        .iter()
        .position(|e| e.id == evidence.file)?;
    last_fact(cx, u32::try_from(entry).ok()?, evidence.line, |v| {
        matches!(v, Value::Ran(_))
    })
}

/// Do nodes or pods stand in the same file as this, as a command printed them? Who pastes both saw both at once.
pub fn shown_beside(cx: &Context<'_>, entry: u32) -> bool {
    let nodes = cx.cluster.nodes.iter().map(|n| n.obj);
    let pods = cx.cluster.pods.iter().map(|p| p.obj);
    nodes
        .chain(pods)
        .filter_map(|obj| cx.cluster.object(obj))
        .any(|o| o.printed && o.origin.entry == entry)
}

/// The same, and nothing in that file shows any trouble.
pub fn well_beside(cx: &Context<'_>, entry: u32) -> bool {
    let file = cx.cluster.entries.get(entry as usize);
    let here = |e: &Evidence| file.is_some_and(|f| f.id == e.file && f.source == e.source);
    shown_beside(cx, entry) && !cx.conditions.iter().any(|c| c.evidence.iter().any(here))
}

/// The program that these words run, without its folder and without what runs it as another user.
pub fn ran_by(words: &[String]) -> &str {
    let mut words = words.iter().map(|w| w.rsplit('/').next().unwrap_or(w));
    words
        .find(|w| {
            !matches!(*w, "sudo" | "doas" | "time" | "watch")
                && !w.starts_with('-')
                && !w.contains('=')
        })
        .unwrap_or_default()
}

/// Does this command print what others wrote?
fn shows_others(program: &str, words: &[String]) -> bool {
    let verb = |verbs: &[&str]| words.iter().any(|w| verbs.contains(&w.as_str()));
    match program {
        "docker" | "podman" | "nerdctl" | "crictl" | "stern" => verb(&["logs", "inspect"]),
        "kubectl" | "k" | "oc" | "k3s" | "rke2" => {
            verb(&["logs", "describe", "get", "events", "server", "agent"])
        }
        "journalctl" | "dmesg" | "cat" | "tail" | "head" | "less" | "more" | "zcat" | "grep"
        | "zgrep" | "egrep" | "awk" | "sed" | "systemctl" | "ausearch" | "sealert" | "ssh" => true,
        _ => false,
    }
}

/// Lines of these signals that still count, in the order of the signals. `heard` decides who may say
/// them; what a later, complete start of the service contradicts is history.
pub fn lines<'c>(cx: &'c Context<'_>, signals: &[&str], meaning: &str) -> Vec<Told<'c>> {
    told(cx, signals, meaning, |hit| !is_over(cx, hit))
}

/// The same, and no later start makes them history: for what a good start only hides.
pub fn all_lines<'c>(cx: &'c Context<'_>, signals: &[&str], meaning: &str) -> Vec<Told<'c>> {
    told(cx, signals, meaning, |_| true)
}

fn told<'c>(
    cx: &'c Context<'_>,
    signals: &[&str],
    meaning: &str,
    counts: impl Fn(&Hit) -> bool,
) -> Vec<Told<'c>> {
    let mut out = Vec::new();
    for signal in signals {
        for hit in cx.hits(signal) {
            if !counts(hit) {
                continue;
            }
            let unordered = is_unordered(cx, hit).then(|| {
                format!("{meaning} (unordered: a good start is logged too, before or behind this)")
            });
            let meaning = unordered.as_deref().unwrap_or(meaning);
            let about = hit.entity.as_ref().filter(|_| hit.event);
            let host = match about {
                Some(e) => node_of(cx, e),
                None => entity(&hit.host),
            };
            for (i, line) in hit.lines.iter().enumerate() {
                // What somebody looks for is not what was said.
                if line.text.contains("grep ") {
                    continue;
                }
                out.push(Told {
                    signal: hit.signal,
                    host: host.clone(),
                    about: about.cloned(),
                    speaker: hit.entity.as_ref().filter(|_| !hit.event),
                    entry: hit.entry,
                    program: &hit.program,
                    line,
                    text: match line.text.contains("\\\"") {
                        true => Cow::Owned(line.text.replace("\\\"", "\"")),
                        false => Cow::Borrowed(&line.text),
                    },
                    count: hit.count,
                    last: hit.last,
                    evidence: cx.log(hit, i, meaning),
                });
            }
        }
    }
    out
}

/// The host on which this entity lives.
fn node_of(cx: &Context<'_>, about: &EntityId) -> EntityId {
    let name = match about.kind() {
        "node" => about.name(),
        "pod" => cx.cluster.pod(about).map_or("", |p| &p.spec.node_name),
        _ => "",
    };
    entity(name)
}

/// The lines by host. Lines that name none belong to the one host that others name.
pub fn by_host(lines: Vec<Told<'_>>) -> BTreeMap<EntityId, Vec<Told<'_>>> {
    let mut out: BTreeMap<EntityId, Vec<Told<'_>>> = BTreeMap::new();
    for line in lines {
        out.entry(line.host.clone()).or_default().push(line);
    }
    let nobody = entity("");
    if out.len() == 2
        && let Some(loose) = out.remove(&nobody)
    {
        for named in out.values_mut() {
            named.extend(loose.iter().cloned());
        }
    }
    out
}

/// Lines of these signals that count although the host came up at a later time, where that start stands ahead of them
/// in the same log: its clock has gone back.
pub fn lines_by_any_clock<'c>(
    cx: &'c Context<'_>,
    signals: &[&str],
    meaning: &str,
) -> Vec<Told<'c>> {
    let ends = |up: &Hit, hit: &Hit| {
        is_own(up, hit)
            && (up.entry != hit.entry || up.last_line > hit.last_line)
            && order::is_behind(cx, &Moment::last(up), &Moment::last(hit))
    };
    told(cx, signals, meaning, |hit| {
        !(UP.iter().flat_map(|s| cx.hits(s))).any(|up| ends(up, hit))
    })
}

/// The host says later that the service came up, or that who was away is back, and does not say this again.
fn is_over(cx: &Context<'_>, hit: &Hit) -> bool {
    is_followed(cx, UP, hit) || is_back(cx, hit)
}

/// What etcd says of a peer while it is away, the peer's id in the first group.
const AWAY: &[&str] = &[
    "etcd.peer-unhealthy",
    "etcd.peer-health-check",
    "etcd.peer-inactive",
    "etcd.peer-version",
];

/// Is every peer that this speaks of back in the same log afterwards?
/// Source: etcd `server/etcdserver/api/rafthttp/peer_status.go`: a peer becomes active when a stream to it stands again.
fn is_back(cx: &Context<'_>, hit: &Hit) -> bool {
    fn of(line: &LogLine) -> Option<&str> {
        line.groups
            .iter()
            .map(String::as_str)
            .find(|g| !g.is_empty())
    }
    // Of more lines than are kept nobody knows whom the others name.
    let kept = hit.count <= hit.lines.len() as u64;
    let one = hit
        .lines
        .first()
        .and_then(of)
        .filter(|_| AWAY.contains(&hit.signal));
    let Some(one) = one else { return false };
    if !kept && hit.lines.iter().any(|l| of(l) != Some(one)) {
        return false;
    }
    // The last that is said of this peer in any of these words.
    let gone = |peer: &str, back: &Moment<'_>| {
        AWAY.iter()
            .flat_map(|s| cx.hits(s))
            .filter(|h| is_own(h, hit))
            .any(|h| {
                h.lines.iter().any(|l| of(l) == Some(peer))
                    && !order::is_behind(cx, back, &Moment::last(h))
            })
    };
    hit.lines.iter().all(|away| {
        of(away).is_some_and(|peer| {
            cx.hits("etcd.peer-active")
                .filter(|h| is_own(h, hit))
                .any(|h| {
                    let mut own = h.lines.iter().filter(|l| of(l) == Some(peer));
                    own.any(|l| !gone(peer, &Moment::of(h, l)))
                })
        })
    })
}

/// Does the same host say one of these later, and not this again? In another log only a named host is the
/// same, and only times that compare say later.
pub fn is_followed(cx: &Context<'_>, signals: &[&str], hit: &Hit) -> bool {
    signals
        .iter()
        .flat_map(|s| cx.hits(s))
        .any(|h| is_own(h, hit) && order::is_behind(cx, &Moment::last(h), &Moment::last(hit)))
}

/// Do both come from one log, or from logs of one host?
fn is_own(a: &Hit, b: &Hit) -> bool {
    a.host == b.host && (a.entry == b.entry || !a.host.is_empty())
}

/// A good start of the same host of which nobody can tell whether it came before or behind this.
fn is_unordered(cx: &Context<'_>, hit: &Hit) -> bool {
    UP.iter()
        .flat_map(|s| cx.hits(s))
        .any(|h| is_own(h, hit) && order::order(cx, &Moment::last(h), &Moment::last(hit)).is_none())
}

/// Was any of these heard on this host, or where nobody knows which?
pub fn heard_on(cx: &Context<'_>, signals: &[&str], host: &EntityId) -> bool {
    signals
        .iter()
        .flat_map(|s| cx.hits(s))
        .any(|h| same_host(&h.host, host.name()) && !is_over(cx, h))
}

/// The citations, each line once: the first of every signal, then the others. Quotations are few, and
/// what another message says is worth more than the same once more.
pub fn quotes(lines: &[Told<'_>]) -> Vec<Evidence> {
    let mut out: Vec<Evidence> = Vec::new();
    let mut signals: Vec<&str> = Vec::new();
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for l in lines {
        if signals.contains(&l.signal) {
            later.push(&l.evidence);
        } else {
            signals.push(l.signal);
            first.push(&l.evidence);
        }
    }
    for e in first.into_iter().chain(later) {
        let known = |k: &Evidence| k.file == e.file && k.source == e.source && k.line == e.line;
        if !out.iter().any(known) {
            out.push(e.clone());
        }
    }
    out
}

/// Facts of hosts, with what they say, where it is of the wanted kind. What was asked inside a container
/// is left out: its mounts, addresses, routes and files are not those of its host.
pub fn facts<'c, T>(
    cx: &'c Context<'_>,
    wanted: impl Fn(&'c Value) -> Option<T> + 'c,
) -> impl Iterator<Item = (&'c Fact, T)> + 'c {
    facts_anywhere(cx, wanted).filter(|(f, _)| !is_inside(&f.command))
}

/// Does this run something in a container? By whatever name kubectl goes, and with options before its verb.
pub fn is_inside(command: &str) -> bool {
    let words = command
        .split_ascii_whitespace()
        .skip_while(|w| *w == "sudo")
        .take_while(|w| *w != "--" && *w != "|");
    let runs = |w: &str| matches!(w, "exec" | "debug" | "run");
    if let Some(words) = kubectl::words(words.clone()) {
        return words.first().is_some_and(|verb| runs(verb));
    }
    let mut words = words.skip_while(|w| matches!(*w, "k3s" | "rke2"));
    let program = words.next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    matches!(program, "docker" | "podman" | "crictl" | "nerdctl") && words.any(runs)
}

/// Facts, wherever the command ran. For what is the same inside a container and outside: the clock, a
/// certificate, what a datastore says of itself (`etcdctl` is run in etcd's own pod).
pub fn facts_anywhere<'c, T>(
    cx: &'c Context<'_>,
    wanted: impl Fn(&'c Value) -> Option<T> + 'c,
) -> impl Iterator<Item = (&'c Fact, T)> + 'c {
    cx.cluster
        .facts
        .iter()
        .filter_map(move |f| Some((f, wanted(&f.value)?)))
}

/// Was this asked for: as a flag or setting with such a name, in a command, a file or a unit?
pub fn asked<'c>(cx: &'c Context<'_>, name: &'c str) -> impl Iterator<Item = (&'c Fact, &'c str)> {
    facts(cx, move |v| match v {
        Value::Setting { name: n, value, .. } if n == name => Some(value.as_str()),
        _ => None,
    })
}

/// Did somebody answer at this host on a port, if only to refuse? Some machines answer no ping.
pub fn answers_on_a_port(cx: &Context<'_>, target: &str) -> bool {
    facts_anywhere(cx, |v| match v {
        Value::Reach(r) if r.port.is_some() && r.answer != Answer::Silent => Some(r),
        _ => None,
    })
    .any(|(_, r)| r.target == target)
}

/// States of the units of k3s and RKE2: of several in one transcript the last, for people look, mend, and look again.
/// What shows a count of restarts only says nothing of a state, and stays.
fn states<'c>(cx: &'c Context<'_>) -> Vec<(&'c Fact, State<'c>)> {
    let mut last: BTreeMap<(u32, &str, &str, bool), (&Fact, State<'_>)> = BTreeMap::new();
    let units = facts(cx, |v| match v {
        Value::Unit {
            name,
            active,
            sub,
            restarts,
            ..
        } if is_ours(name) => Some((
            name,
            State {
                active,
                sub,
                restarts: *restarts,
            },
        )),
        _ => None,
    });
    for (fact, (name, state)) in units {
        let name = name.strip_suffix(".service").unwrap_or(name);
        let key = (
            fact.entry,
            fact.host.as_str(),
            name,
            state.active.is_empty(),
        );
        match last.get(&key) {
            Some((known, _)) if known.line > fact.line => {}
            _ => drop(last.insert(key, (fact, state))),
        }
    }
    last.into_values().collect()
}

/// A unit's state, as systemd shows it.
struct State<'c> {
    active: &'c str,
    sub: &'c str,
    restarts: u64,
}

/// Units of k3s and RKE2 that do not stay up: systemd says that they failed, waits to start them again, or is at it once
/// more after it has been so again and again.
pub fn unstable<'c>(cx: &'c Context<'_>) -> Vec<&'c Fact> {
    units(cx, |s| {
        let again = s.active == "activating" && s.restarts >= MANY;
        s.active == "failed" || s.sub == "auto-restart" || again
    })
}

/// Restarts by systemd from which on it is no accident: a server that boots before its datastore or the others ends once
/// or twice.
const MANY: u64 = 5;

/// Units of k3s and RKE2 that run and were started by systemd again so often that they can't be said to stay up.
pub fn restless<'c>(cx: &'c Context<'_>) -> Vec<&'c Fact> {
    units(cx, |s| s.active != "inactive" && s.restarts >= 4 * MANY)
}

/// Units of k3s and RKE2 that are not up, or not yet: those that do not stay up, and those that begin. An agent that is
/// refused begins for as long as it is.
pub fn unready<'c>(cx: &'c Context<'_>) -> Vec<&'c Fact> {
    let begins = units(cx, |s| s.active == "activating");
    unstable(cx).into_iter().chain(begins).collect()
}

fn units<'c>(cx: &'c Context<'_>, is_so: impl Fn(&State<'_>) -> bool) -> Vec<&'c Fact> {
    let found = states(cx).into_iter().filter(|(_, state)| is_so(state));
    found.map(|(fact, _)| fact).collect()
}

/// Is this a unit of k3s or RKE2, with whatever suffix the installer gave it?
pub fn is_ours(unit: &str) -> bool {
    ["k3s", "rke2"].iter().any(|name| unit.starts_with(name))
}

/// Conditions of a host that a cause on it may explain.
pub const TROUBLES: &[K] = &[
    K::HostStorageFailing,
    K::DatastoreSlow,
    K::DatastoreFailing,
    K::TlsRejected,
    K::JoinFailing,
    K::ServiceFailing,
];

/// Troubles of a pod that come from its host.
const POD: &[K] = &[
    K::SandboxFailing,
    K::ContainerStartError,
    K::ContainerConfigError,
    K::ImagePullFailing,
    K::VolumeMountFailing,
    K::PodEvicted,
];

/// Claims what these lines are about: these conditions of the host, its node's, and those of the pods
/// whose events say it.
pub fn claim(
    cx: &Context<'_>,
    mut finding: Finding,
    host: &EntityId,
    lines: &[Told<'_>],
    kinds: &[K],
) -> Finding {
    for kind in kinds {
        finding = finding.explains_if(cx, *kind, host);
    }
    let node = EntityId::object("Node", "", "", host.name());
    finding = finding.explains_observed(
        cx,
        &[K::NodeNotReady, K::NodePressure, K::NodeNetworkUnavailable],
        &node,
    );
    for pod in lines.iter().filter_map(|l| l.about.as_ref()) {
        finding = finding.explains_observed(cx, POD, pod);
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::is_inside;

    #[test]
    fn what_runs_in_a_container_is_not_the_hosts() {
        for inside in [
            "kubectl exec till-0 -- df -h",
            "kubectl -n shop exec till-0 -- df -h",
            "k -n shop exec deploy/till -c main -- ip route",
            "sudo k3s kubectl exec till-0 -- mount",
            "kubectl run ask --rm -it --image=busybox -- nslookup x",
            "sudo k3s crictl exec 3f2 cat /proc/mounts",
            "crictl exec 3f2 cat /proc/mounts",
        ] {
            assert!(is_inside(inside), "{inside}");
        }
        for outside in [
            "df -h",
            "sudo k3s server --cluster-reset",
            "kubectl get pods",
            "kubectl logs run",
            "grep exec /etc/systemd/system/k3s.service",
            "ssh n1 -- docker ps",
        ] {
            assert!(!is_inside(outside), "{outside}");
        }
    }
}
