//! Containers that the kubelet kills for their liveness or startup probe: is the probe aimed wrongly,
//! or only too early?
//!
//! Sources: kubernetes `pkg/kubelet/prober/{worker,prober}.go`, `pkg/probe/{http,tcp}`,
//! `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (`Container … failed liveness probe, will be
//! restarted`). Deliberately absent: readiness, which kills nothing; and containers that end by
//! themselves while a probe fails beside it: their probe is a symptom.

use defib_model::Evidence;
use defib_model::cluster::ObjId;
use defib_model::id::EntityId;
use defib_model::views::Event;
use defib_model::views::pod::{Container, ContainerStatus, Pod, Probe};

use crate::context::Context;

/// The patience below which a probe counts as short for a program that has to start.
const SHORT: i64 = 60;

/// What is wrong with the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A port or path that the program does not serve.
    Endpoint,
    /// It gives up before the program is up, or before it can answer.
    Early,
    /// One of the two.
    Either,
}

/// One container that is killed for its probe.
#[derive(Clone, Debug)]
pub struct Killed {
    /// The pod.
    pub pod: EntityId,
    /// The container.
    pub container: String,
    /// What is wrong.
    pub fault: Fault,
    /// Points of the confidence.
    pub points: i32,
    /// Why, in words.
    pub because: String,
    /// True when a cause upstream of the program would explain it as well.
    pub weak: bool,
    /// Seconds until the probe gives up.
    pub patience: i64,
    /// Best first.
    pub evidence: Vec<Evidence>,
}

/// All of them.
pub fn killed(cx: &Context<'_>) -> Vec<Killed> {
    let mut out = Vec::new();
    for pod in cx
        .cluster
        .pods
        .iter()
        .filter(|p| !p.is_finished() && p.metadata.deletion_timestamp.is_none())
    {
        for (i, container) in pod.spec.containers.iter().enumerate() {
            let Some(status) = pod
                .status
                .container_statuses
                .iter()
                .find(|s| s.name == container.name)
            else {
                continue;
            };
            for (field, probe, word) in [
                ("livenessProbe", &container.liveness_probe, "iveness probe"),
                ("startupProbe", &container.startup_probe, "tartup probe"),
            ] {
                if let Some(probe) = probe
                    && let Some(found) = one(
                        cx,
                        pod,
                        container,
                        status,
                        probe,
                        word,
                        &format!("/spec/containers/{i}/{field}"),
                    )
                {
                    out.push(found);
                }
            }
        }
    }
    by_words(cx, &mut out);
    out
}

/// Of pods whose probes are not in the evidence the events tell what was asked, the template of their
/// workload how long it is asked, and the program's own log where it listens and when.
fn by_words(cx: &Context<'_>, out: &mut Vec<Killed>) {
    let mut seen = std::collections::BTreeSet::new();
    for kill in cx.cluster.events.iter().filter(|e| e.reason == "Killing") {
        let Some((who, _)) = kill.message.split_once(" failed liveness probe") else {
            continue;
        };
        let name = who.rsplit(' ').next().unwrap_or_default();
        let known = |p: &Pod| p.spec.containers.iter().any(|c| c.liveness_probe.is_some());
        let id = &kill.about;
        if cx.cluster.pod(id).is_some_and(known) || !seen.insert(id.clone()) {
            continue;
        }
        // Once is no loop; that the container is held back from its next start says that it was not once.
        let again = kill.count >= 2
            || crate::context::last_event(cx.cluster, id, &["BackOff"])
                .is_some_and(|e| e.message.contains("restarting failed"));
        let fail = cx
            .cluster
            .events_of(id)
            .filter(|e| e.reason == "Unhealthy" && (again || e.count >= 3))
            .find(|e| {
                e.message.contains("iveness probe failed")
                    && e.message.contains("connection refused")
            });
        if let Some((other, (fault, points, because))) = cx
            .cluster
            .events_of(id)
            .filter(|e| e.reason == "Unhealthy" && e.count >= 3)
            .filter(|_| again && fail.is_none())
            .find_map(|e| Some((e, answered(&e.message)?)))
        {
            out.push(Killed {
                pod: id.clone(),
                container: name.to_owned(),
                fault,
                points,
                because: because.to_owned(),
                weak: true,
                patience: 0,
                evidence: vec![
                    cx.event(other, "what the probe got"),
                    cx.event(kill, "the kubelet kills the container for it"),
                ],
            });
            continue;
        }
        let asked = fail.and_then(|e| {
            let (_, dialled) = e.message.split_once("dial tcp ")?;
            let (address, _) = dialled.split_once(": ")?;
            address.rsplit_once(':')?.1.parse::<i64>().ok()
        });
        let (Some(fail), Some(asked)) = (fail, asked) else {
            continue;
        };
        let mut evidence = vec![
            cx.event(fail, "what the probe got"),
            cx.event(kill, "the kubelet kills the container for it"),
        ];
        let template = template(cx, id, name);
        let mut patience = 0;
        if let Some((obj, at, probe)) = &template {
            patience = probe.patience_seconds();
            let meaning = format!("the probe: it gives up after {patience} s");
            evidence.push(cx.field(*obj, at, meaning));
        }
        let took = start_took(cx, id).filter(|(s, _)| patience > 0 && *s > patience as f64);
        let heard = ports(cx, id, name);
        let listens: Vec<i64> = heard.iter().map(|(p, _)| *p).collect();
        let (fault, points, because) = match (took, listens.first()) {
            (Some((seconds, line)), _) => {
                evidence.insert(2, line);
                let because = format!(
                    "its start takes {seconds} s, and the probe gives up after {patience} s"
                );
                (Fault::Early, 86, because)
            }
            (None, None) => continue,
            (None, Some(_)) if listens.contains(&asked) => (
                Fault::Early,
                78,
                format!("the program does listen on port {asked}, only later"),
            ),
            (None, Some(other)) => (
                Fault::Endpoint,
                84,
                format!("the probe asks port {asked}, and the program listens on {other}"),
            ),
        };
        evidence.extend(heard.into_iter().map(|(_, line)| line));
        out.push(Killed {
            pod: id.clone(),
            container: name.to_owned(),
            fault,
            points,
            because,
            weak: false,
            patience,
            evidence,
        });
    }
}

/// What it says of the probe that the program is there and takes the connection: it answers too late, or has nothing
/// at that path. A path that it may not see (401) or that fails (500) is the program's own affair.
fn answered(message: &str) -> Option<(Fault, i32, &'static str)> {
    if !message.contains("iveness probe failed") {
        return None;
    }
    if message.ends_with("statuscode: 404") {
        return Some((
            Fault::Endpoint,
            80,
            "the program answers, and has nothing at the path that the probe asks",
        ));
    }
    let late =
        message.contains("context deadline exceeded") && message.contains("awaiting headers");
    late.then_some((
        Fault::Early,
        70,
        "the program takes the connection, and does not answer in the time that the probe gives it",
    ))
}

/// The liveness probe in the template of the workload that this pod is of, by the names that its
/// controller gives: `NAME-HASH-SUFFIX`, `NAME-SUFFIX`, `NAME-0`.
fn template<'c>(
    cx: &'c Context<'_>,
    pod: &EntityId,
    container: &str,
) -> Option<(ObjId, String, &'c Probe)> {
    cx.cluster.workloads.iter().find_map(|w| {
        let near = pod
            .namespace()
            .is_none_or(|ns| w.metadata.namespace.is_empty() || w.metadata.namespace == ns);
        let rest = pod.name().strip_prefix(w.metadata.name.as_str())?;
        let parts = rest.strip_prefix('-')?.split('-').count();
        let fits = match w.kind.as_str() {
            "Deployment" => parts == 2,
            _ => parts == 1,
        };
        let spec = &w.spec.template.spec;
        let i = spec.containers.iter().position(|c| c.name == container)?;
        // Behind a startup probe it is only asked once the program is up.
        let of = spec
            .containers
            .get(i)
            .filter(|c| c.startup_probe.is_none())?;
        let probe = of.liveness_probe.as_ref()?;
        (near && fits).then(|| {
            let at = format!("/spec/template/spec/containers/{i}/livenessProbe");
            (w.obj, at, probe)
        })
    })
}

fn one(
    cx: &Context<'_>,
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
    probe: &Probe,
    word: &str,
    at: &str,
) -> Option<Killed> {
    let id = cx.cluster.id(pod.obj);
    let mine = |e: &&Event| e.container.as_deref().is_none_or(|c| c == container.name);
    let kills: Vec<&Event> = cx
        .cluster
        .events_of(&id)
        .filter(mine)
        .filter(|e| {
            e.reason == "Killing"
                && e.message.contains(word)
                && e.message.contains(&format!("ontainer {} ", container.name))
        })
        .collect();
    let fails: Vec<&Event> = cx
        .cluster
        .events_of(&id)
        .filter(mine)
        .filter(|e| e.reason == "Unhealthy" && e.message.contains(word))
        .collect();
    if status.restart_count.unwrap_or(0) < 1 || (kills.is_empty() && fails.is_empty()) {
        return None;
    }
    let last = kills.iter().chain(&fails).filter_map(|e| e.last).max();
    // A printed event says how long ago it was.
    let now = kills
        .iter()
        .chain(&fails)
        .filter_map(|e| e.ago)
        .any(|s| s < 600);
    let over = cx.older_than(last, 600) && !now;
    if pod.is_ready() && (status.restart_count.unwrap_or(0) < 2 || over) {
        return None;
    }
    if !killed_by_it(status, probe, !kills.is_empty()) {
        return None;
    }
    let (fault, points, because, weak, mut evidence) =
        judge(cx, pod, container, status, probe, &fails)?;
    evidence.insert(
        0,
        cx.field(
            pod.obj,
            at,
            format!(
                "the probe: it gives up after {} s",
                probe.patience_seconds()
            ),
        ),
    );
    let said = fails.iter().map(|e| cx.event(e, "what the probe got"));
    let ended = kills
        .iter()
        .map(|e| cx.event(e, "the kubelet kills the container for it"));
    evidence.splice(0..0, said.chain(ended));
    Some(Killed {
        pod: id,
        container: container.name.clone(),
        fault,
        points,
        because,
        weak,
        patience: probe.patience_seconds(),
        evidence,
    })
}

/// Was it the kubelet that ended the container? A program that fails by itself ends with a code of its
/// own, or sooner than the probe can give up.
fn killed_by_it(status: &ContainerStatus, probe: &Probe, said_so: bool) -> bool {
    let ended = status
        .last_state
        .terminated
        .as_ref()
        .or(status.state.terminated.as_ref());
    let Some(t) = ended else { return said_so };
    if t.reason == "OOMKilled" {
        return false;
    }
    let earliest = probe.patience_seconds() - probe.period_seconds.unwrap_or(10).max(1);
    let ran = t
        .started_at
        .zip(t.finished_at)
        .map(|(a, b)| b.as_second() - a.as_second());
    let by_signal = matches!(t.exit_code, Some(137 | 143));
    let clean = t.exit_code == Some(0);
    match ran {
        Some(ran) if ran + 2 < earliest => false,
        Some(_) => by_signal || (said_so && (clean || t.exit_code.is_some())),
        None => by_signal || (clean && said_so),
    }
}

/// The run before ended long after any start: at least ten times the probe's patience, and ten minutes.
fn worked_before(status: &ContainerStatus, probe: &Probe) -> bool {
    status
        .last_state
        .terminated
        .as_ref()
        .and_then(|t| t.started_at.zip(t.finished_at))
        .is_some_and(|(a, b)| {
            b.as_second() - a.as_second() >= (probe.patience_seconds() * 10).max(600)
        })
}

type Judgement = (Fault, i32, String, bool, Vec<Evidence>);

fn judge(
    cx: &Context<'_>,
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
    probe: &Probe,
    fails: &[&Event],
) -> Option<Judgement> {
    let says = |words: &[&str]| {
        fails
            .iter()
            .any(|e| words.iter().any(|w| e.message.contains(w)))
    };
    let plain =
        |fault, points, because: String, weak| Some((fault, points, because, weak, Vec::new()));
    if says(&["statuscode: 404", "statuscode: 405", "statuscode: 410"]) {
        let path = probe.http_get.as_ref().map_or("/", |h| h.path.as_str());
        return plain(
            Fault::Endpoint,
            90,
            format!("the program answers, and has nothing at {path}"),
            false,
        );
    }
    // The program answers that it is not well: the reason is its own.
    if says(&["statuscode: "]) {
        return None;
    }
    // It came up, worked, and stopped answering: more patience would only make the outage longer.
    if worked_before(status, probe) {
        return None;
    }
    if says(&["connection refused", "connect: no route"]) {
        return refused(cx, pod, container, status, probe);
    }
    if says(&[
        "context deadline exceeded",
        "Client.Timeout",
        "command timed out",
        "timed out after",
    ]) && !says(&["dial tcp"])
    {
        let allowed = probe.timeout_seconds.unwrap_or(1);
        return plain(
            Fault::Early,
            74,
            format!("the program is there, but takes longer than {allowed} s to answer"),
            true,
        );
    }
    if fails.is_empty() {
        return plain(
            Fault::Either,
            40,
            "the kubelet kills it for the probe; what the probe got is not in the evidence"
                .to_owned(),
            true,
        );
    }
    None
}

/// Where the program says that it listens: in the container's own log, or in one that nobody is known to
/// own while only this pod is killed.
fn ports(cx: &Context<'_>, pod: &EntityId, container: &str) -> Vec<(i64, Evidence)> {
    let alone = !cx.cluster.events.iter().any(|e| {
        e.reason == "Killing" && e.message.contains(" probe, will be restarted") && e.about != *pod
    });
    let mut out = Vec::new();
    for hit in cx.heard().filter(|h| {
        h.signal.starts_with("app.listening")
            && match &h.entity {
                Some(e) => e == pod && (h.container.is_empty() || h.container == container),
                None => alone && !h.event,
            }
    }) {
        for (i, line) in hit.lines.iter().enumerate() {
            if let Some(p) = line.groups.iter().find_map(|g| g.parse().ok()) {
                out.push((p, cx.log(hit, i, "where the program listens")));
            }
        }
    }
    out
}

/// The longest start that the program tells of, in seconds: in its own log, or in one without an owner.
fn start_took(cx: &Context<'_>, pod: &EntityId) -> Option<(f64, Evidence)> {
    let mut out: Option<(f64, Evidence)> = None;
    for hit in cx
        .hits("app.start-took")
        .chain(cx.hits("app.start-took.in"))
        .filter(|h| h.entity.as_ref().is_none_or(|e| e == pod))
    {
        for (i, line) in hit.lines.iter().enumerate() {
            let seconds = line.groups.first().and_then(|g| g.parse::<f64>().ok());
            if let Some(seconds) = seconds
                && out.as_ref().is_none_or(|(most, _)| *most < seconds)
            {
                out = Some((seconds, cx.log(hit, i, "so long does its start take")));
            }
        }
    }
    out
}

/// Options by which the program is told where to listen, and the port: `--port=9090`, `--listen-address :9090`.
/// Ports beside the one that it serves on (metrics, debugging) say nothing of that.
fn told(container: &Container) -> Vec<(&str, i64)> {
    const WHERE: &[&str] = &["port", "listen", "addr", "address", "bind"];
    const BESIDE: &[&str] = &[
        "metric", "health", "probe", "pprof", "debug", "admin", "peer", "grpc", "db", "redis",
        "remote", "target", "upstream",
    ];
    let words: Vec<&str> = (container.command.iter().chain(&container.args))
        .map(String::as_str)
        .collect();
    let mut out = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, value),
            None => (*word, words.get(i + 1).copied().unwrap_or_default()),
        };
        let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
        let is_where = name.starts_with('-') && parts.any(|p| WHERE.contains(&p));
        if !is_where || BESIDE.iter().any(|w| name.contains(w)) {
            continue;
        }
        let number = value.rsplit(':').next().unwrap_or_default();
        if let Some(port) = number.parse().ok().filter(|p| (1..65_536).contains(p)) {
            out.push((name, port));
        }
    }
    out
}

/// Nobody listens on the port: not yet, or not there?
fn refused(
    cx: &Context<'_>,
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
    probe: &Probe,
) -> Option<Judgement> {
    let written = probe.port()?;
    let named = container
        .ports
        .iter()
        .find(|p| p.name == written)
        .and_then(|p| p.container_port);
    let port = written.parse::<i64>().ok().or(named)?;
    let id = cx.cluster.id(pod.obj);
    let patience = probe.patience_seconds();
    let mut listens: Vec<i64> = Vec::new();
    let mut lines = Vec::new();
    for (p, line) in ports(cx, &id, &container.name) {
        listens.push(p);
        lines.push(line);
    }
    // Behind a startup probe the other is only asked once the program is up.
    let first = container.startup_probe.as_ref();
    if let Some((seconds, line)) = start_took(cx, &id)
        && seconds > patience as f64
        && first.is_none_or(|s| std::ptr::eq(s, probe))
    {
        lines.insert(0, line);
        return Some((
            Fault::Early,
            88,
            format!("its start takes {seconds} s, and the probe gives up after {patience} s"),
            false,
            lines,
        ));
    }
    if listens.contains(&port) {
        return Some((
            Fault::Early,
            88,
            format!("the program does listen on port {port}, only later"),
            false,
            lines,
        ));
    }
    if let Some(other) = listens.first() {
        return Some((
            Fault::Endpoint,
            92,
            format!("the probe asks port {port}, and the program listens on {other}"),
            false,
            lines,
        ));
    }
    let declared: Vec<i64> = container
        .ports
        .iter()
        .filter_map(|p| p.container_port)
        .collect();
    let readiness = container.readiness_probe.as_ref().and_then(Probe::port);
    if status.ready == Some(true) && readiness.is_some_and(|r| r != written) {
        let because = format!(
            "the readiness probe, on port {}, succeeds: the program is up, and not on port {port}",
            readiness.unwrap_or_default()
        );
        return Some((Fault::Endpoint, 88, because, false, Vec::new()));
    }
    if !declared.is_empty() && !declared.contains(&port) {
        let because = format!(
            "the probe asks port {port}, and the container declares only {}",
            declared
                .iter()
                .map(i64::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        );
        return Some((Fault::Endpoint, 82, because, false, Vec::new()));
    }
    let told = told(container);
    if let Some((option, other)) = told.first()
        && told.iter().all(|(_, p)| *p != port)
    {
        let because = format!(
            "the probe asks port {port}, and the program is started with {option}: {other}"
        );
        return Some((Fault::Endpoint, 80, because, false, Vec::new()));
    }
    let same_port = declared.contains(&port) || readiness == Some(written);
    if same_port && patience <= SHORT {
        let because = format!(
            "the port is right, and {patience} s after its start the program does not listen yet"
        );
        return Some((Fault::Early, 76, because, true, Vec::new()));
    }
    Some((
        Fault::Either,
        45,
        format!("nobody listens on port {port} {patience} s after the start"),
        true,
        Vec::new(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_tell_where_a_program_listens() {
        let of = |args: &[&str]| {
            let container = Container {
                args: args.iter().map(|a| (*a).to_owned()).collect(),
                ..Container::default()
            };
            told(&container).iter().map(|(_, p)| *p).collect::<Vec<_>>()
        };
        assert_eq!(of(&["serve", "--port=9090"]), [9090]);
        assert_eq!(of(&["--listen-address", ":8081", "-v"]), [8081]);
        assert_eq!(of(&["--http.addr=0.0.0.0:80", "--bind=:81"]), [80, 81]);
        assert_eq!(
            of(&[
                "--metrics-port=9100",
                "--db-port=5432",
                "--export=80",
                "--port",
                "x"
            ]),
            Vec::<i64>::new()
        );
    }
}
