//! A living cluster into entries: every listable kind in pages, then the logs of what is not well.
//!
//! Refusals, dead aggregated APIs and time-outs are gaps. Deliberately absent: any judgement beyond
//! "not well enough that its log is wanted".

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use defib_model::bundle::{About, Clock, Seen};
use defib_model::report::Gap;
use defib_model::views::Pod;
use defib_reach::{Answer, Observe, Probe};
use futures::StreamExt;
use serde::Deserialize;

use crate::{Asked, CollectError, Collection};

/// Questions under way at once.
const AT_ONCE: usize = 6;
/// Pages of one kind; a list that never ends must not keep us for ever.
const MAX_PAGES: usize = 2000;
/// Containers whose logs are fetched.
const MAX_LOGS: usize = 200;

/// One listable kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// API group; empty for core.
    pub group: String,
    /// The version that the API server prefers, without the group.
    pub version: String,
    /// Plural name.
    pub resource: String,
    /// The kind.
    pub kind: String,
}

impl Kind {
    fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    fn plural(&self) -> String {
        if self.group.is_empty() {
            self.resource.clone()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }

    /// Kinds that say nothing that another list does not, or that are not stored.
    fn is_redundant(&self) -> bool {
        matches!(
            (self.group.as_str(), self.resource.as_str()),
            ("events.k8s.io", "events")
                | ("", "componentstatuses")
                | ("", "endpoints")
                | ("metrics.k8s.io", _)
        )
    }
}

#[derive(Deserialize)]
struct Discovery {
    #[serde(default)]
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: GroupName,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
struct GroupName {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    version: String,
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    freshness: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    response_kind: ResponseKind,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Default, Deserialize)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

/// What asking for one kind gave.
struct Listing {
    kind: Kind,
    pages: Vec<Answer>,
    gap: Option<Gap>,
}

/// Asks a living cluster.
///
/// # Errors
/// When a sink fails, or nothing at all answers.
pub async fn cluster<O: Observe>(
    collection: &mut Collection<'_>,
    api: &O,
    uri: &str,
    mut progress: impl FnMut(String),
) -> Result<(), CollectError> {
    collection.source(uri, "kube", "api");
    let unreachable = |e: defib_reach::ReachError| CollectError::Cluster { why: e.to_string() };
    let ready = api.ask(&Probe::Readyz).await.map_err(unreachable)?;
    if ready.status == 401 {
        return Err(CollectError::Cluster { why: "the API server does not accept these credentials (401); `kubectl auth whoami` tells more".to_owned() });
    }
    clock(collection, &ready);
    put(collection, "kube/readyz", &ready, "kube-get", None)?;
    if let Ok(version) = api.ask(&Probe::Version).await {
        put(collection, "kube/version.json", &version, "kube-get", None)?;
    }
    let mut gaps = Vec::new();
    if !matches!(ready.status, 200 | 500..=599) {
        let command = "kubectl get --raw /readyz";
        gaps.push(refused("the API server's readiness", ready.status, command));
    }
    let (kinds, missing) = kinds(api).await;
    gaps.extend(missing);
    let total = kinds.len();
    let mut sick = Vec::new();
    let (mut done, mut missed) = (0, 0);
    let mut lists = futures::stream::iter(kinds.into_iter().map(|kind| list(api, kind)))
        .buffer_unordered(AT_ONCE);
    while let Some(listing) = lists.next().await {
        done += 1;
        progress(format!("{done}/{total} kinds"));
        let whole = listing.gap.is_none();
        if let Some(gap) = listing.gap {
            missed += 1;
            gaps.push(gap);
        }
        for (page, answer) in listing.pages.iter().enumerate() {
            if listing.kind.resource == "pods" && listing.kind.group.is_empty() {
                not_well(&answer.body, &mut sick);
            }
            let about = About {
                kind: listing.kind.kind.clone(),
                api_version: listing.kind.api_version(),
                whole,
                ..About::default()
            };
            put(
                collection,
                &format!("kube/{}/{:04}.json", listing.kind.plural(), page + 1),
                answer,
                "kube-list",
                Some(about),
            )?;
        }
    }
    drop(lists);
    sick.sort();
    if sick.len() > MAX_LOGS {
        gaps.push(Gap::new(format!("logs of {} containers", sick.len() - MAX_LOGS), format!("more than {MAX_LOGS} containers are not well; the logs of the first {MAX_LOGS} were fetched")));
        sick.truncate(MAX_LOGS);
    }
    let wanted = sick.len();
    // Nodes whose kubelet gave no log, with the number of logs that were not asked for after that: a
    // dead node costs one patience, not one per container.
    let silent: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let nodes = || silent.lock().unwrap_or_else(PoisonError::into_inner);
    let nodes = &nodes;
    let mut logs = futures::stream::iter(sick.into_iter().map(|log| async move {
        if let Some(skipped) = nodes().get_mut(&log.node) {
            *skipped += 1;
            return (log, None);
        }
        let answer = api.ask(&log.probe).await;
        if !log.node.is_empty() && answer.as_ref().map_or(true, |a| a.status >= 500) {
            nodes().entry(log.node.clone()).or_default();
        }
        (log, Some(answer))
    }))
    .buffer_unordered(AT_ONCE);
    let mut fetched = 0;
    while let Some((log, answer)) = logs.next().await {
        let Some(answer) = answer else { continue };
        let Probe::Log {
            namespace,
            pod,
            container,
            previous,
        } = &log.probe
        else {
            continue;
        };
        fetched += 1;
        progress(format!("{fetched}/{wanted} logs"));
        let name = format!(
            "log of container {container} of pod {namespace}/{pod}{}",
            if *previous { " (previous)" } else { "" }
        );
        let command = format!(
            "kubectl logs {pod} -n {namespace} -c {container}{}",
            if *previous { " --previous" } else { "" }
        );
        match answer {
            Ok(a) if a.status == 200 => {
                let about = About {
                    namespace: namespace.clone(),
                    pod: pod.clone(),
                    container: container.clone(),
                    previous: *previous,
                    ..About::default()
                };
                let file = if *previous { "previous" } else { "current" };
                put(
                    collection,
                    &format!("kube/logs/{namespace}/{pod}/{container}.{file}.log"),
                    &a,
                    "kube-log",
                    Some(about),
                )?;
            }
            // A container that never ran has no log: nothing is missing.
            Ok(a) if a.status == 400 => {}
            Ok(a) => gaps.push(refused(&name, a.status, &command)),
            Err(e) => gaps.push(Gap::new(name, e.to_string()).with_command(command)),
        }
    }
    drop(logs);
    for (node, skipped) in nodes().iter().filter(|(_, skipped)| **skipped > 0) {
        gaps.push(
            Gap::new(
                format!("logs of {skipped} further containers on node {node}"),
                "the kubelet of that node gives no logs",
            )
            .with_command(format!("kubectl describe node {node}")),
        );
    }
    collection.seen(match (total, missed) {
        (0, _) => Seen::None,
        (_, 0) => Seen::All,
        _ => Seen::Part,
    });
    collection.bundle.gaps.extend(gaps);
    Ok(())
}

/// The kinds that an API server lists, and why some may be missing.
pub async fn kinds<O: Observe>(api: &O) -> (Vec<Kind>, Vec<Gap>) {
    let (mut kinds, mut gaps) = (Vec::new(), Vec::new());
    for probe in [Probe::CoreKinds, Probe::GroupKinds] {
        match api.ask(&probe).await {
            Ok(answer) if answer.status == 200 => found(&answer, &mut kinds, &mut gaps),
            Ok(answer) => gaps.push(refused(
                "the list of kinds",
                answer.status,
                "kubectl api-resources",
            )),
            Err(e) => gaps.push(
                Gap::new("the list of kinds", e.to_string()).with_command("kubectl api-resources"),
            ),
        }
    }
    kinds.sort();
    kinds.dedup_by(|a, b| a.group == b.group && a.resource == b.resource);
    (kinds, gaps)
}

fn clock(collection: &mut Collection<'_>, answer: &Answer) {
    let time = answer
        .date
        .as_deref()
        .and_then(|d| jiff::fmt::rfc2822::parse(d).ok());
    if let Some(time) = time {
        collection.bundle.clocks.push(Clock {
            vantage: "api".to_owned(),
            time: time.timestamp().to_string(),
        });
    }
}

fn put(
    collection: &mut Collection<'_>,
    id: &str,
    answer: &Answer,
    probe: &'static str,
    about: Option<About>,
) -> Result<(), CollectError> {
    let asked = Asked {
        probe,
        exit: Some(i64::from(answer.status)),
        time: None,
        about,
    };
    collection.keep(id, &answer.body, asked)
}

fn refused(what: &str, status: u16, command: &str) -> Gap {
    let why = match status {
        401 => "the API server does not accept these credentials (401)".to_owned(),
        403 => "these credentials may not read it (403)".to_owned(),
        404 => "the API server does not serve it (404)".to_owned(),
        503 => "the service behind it does not answer (503)".to_owned(),
        other => format!("the API server answered {other}"),
    };
    Gap::new(what, why).with_command(command)
}

fn found(answer: &Answer, kinds: &mut Vec<Kind>, gaps: &mut Vec<Gap>) {
    let Ok(discovery) = serde_json::from_slice::<Discovery>(&answer.body) else {
        gaps.push(
            Gap::new(
                "the list of kinds",
                "the API server is older than Kubernetes 1.27 and does not list its kinds at once",
            )
            .with_command("kubectl cluster-info dump -A --output-directory dump"),
        );
        return;
    };
    for group in discovery.items {
        // The first version is the preferred one.
        let Some(version) = group.versions.into_iter().next() else {
            continue;
        };
        if version.freshness == "Stale" {
            gaps.push(
                Gap::new(
                    format!("API group {}/{}", group.metadata.name, version.version),
                    "the service behind this API group does not answer",
                )
                .with_command(format!(
                    "kubectl get apiservice {}.{}",
                    version.version, group.metadata.name
                )),
            );
            continue;
        }
        for r in version.resources {
            let kind = Kind {
                group: group.metadata.name.clone(),
                version: version.version.clone(),
                resource: r.resource,
                kind: r.response_kind.kind,
            };
            if r.verbs.iter().any(|v| v == "list") && !kind.is_redundant() {
                kinds.push(kind);
            }
        }
    }
}

async fn list<O: Observe>(api: &O, kind: Kind) -> Listing {
    let mut pages = Vec::new();
    let mut after = String::new();
    let command = format!("kubectl get {} -A", kind.plural());
    loop {
        let probe = Probe::List {
            group: kind.group.clone(),
            version: kind.version.clone(),
            resource: kind.resource.clone(),
            after: after.clone(),
        };
        let gap = match api.ask(&probe).await {
            Ok(answer) if answer.status == 200 => {
                after = next_page(&answer.body);
                pages.push(answer);
                if after.is_empty() {
                    None
                } else if pages.len() < MAX_PAGES {
                    continue;
                } else {
                    Some(
                        Gap::new(kind.plural(), format!("more than {MAX_PAGES} pages"))
                            .with_command(&command),
                    )
                }
            }
            Ok(answer) => Some(refused(&kind.plural(), answer.status, &command)),
            Err(e) => Some(Gap::new(kind.plural(), e.to_string()).with_command(&command)),
        };
        return Listing { kind, pages, gap };
    }
}

/// `metadata.continue` of a list.
fn next_page(body: &[u8]) -> String {
    use defib_formats::json::{self, Value};
    json::fields(body, json::skip_space(body, 0), body.len())
        .find(|f| f.key == "metadata")
        .and_then(|f| match f.value {
            Value::Whole(r) => json::fields(body, r.start, r.end).find(|f| f.key == "continue"),
            _ => None,
        })
        .and_then(|f| match f.value {
            Value::Whole(r) => json::string_at(body, &r),
            _ => None,
        })
        .unwrap_or_default()
}

/// A log question in an order that does not depend on which list came first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LogProbe {
    node: String,
    probe: Probe,
}

impl LogProbe {
    fn key(&self) -> String {
        self.probe.path()
    }
}

impl PartialOrd for LogProbe {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LogProbe {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// The containers of one page of pods whose logs are wanted: those that are not ready, and the run
/// before of those that were started again.
fn not_well(body: &[u8], out: &mut Vec<LogProbe>) {
    #[derive(Deserialize)]
    struct List {
        #[serde(default, deserialize_with = "defib_model::de::list")]
        items: Vec<Pod>,
    }
    let Ok(list) = serde_json::from_slice::<List>(body) else {
        return;
    };
    for pod in list.items {
        if pod.is_finished() && pod.status.phase != "Failed" {
            continue;
        }
        for (_, s) in pod.statuses() {
            let ended_well = s
                .state
                .terminated
                .as_ref()
                .is_some_and(|t| t.exit_code == Some(0));
            let well = s.ready == Some(true) || ended_well;
            let never_ran = s.state.waiting.is_some() && s.restart_count.unwrap_or(0) == 0;
            let log = |previous| {
                let probe = Probe::Log {
                    namespace: pod.metadata.namespace.clone(),
                    pod: pod.metadata.name.clone(),
                    container: s.name.clone(),
                    previous,
                };
                let node = pod.spec.node_name.clone();
                LogProbe { node, probe }
            };
            if !well && !never_ran {
                out.push(log(false));
            }
            if !well && s.restart_count.unwrap_or(0) > 0 {
                out.push(log(true));
            }
        }
    }
}
