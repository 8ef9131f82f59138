//! What usually lies behind a symptom that nothing in the evidence explains, and where to look on a host.
//!
//! Nothing speaks for any of these but that they are what it mostly is; they say what the next look has to
//! tell apart. Deliberately absent: certainty.

use defib_model::condition::{Condition, ConditionKind as K};
use defib_model::fact::Value;

use crate::analysis::{host, peer, product};
use crate::command::Command;
use crate::context::Context;

/// Of a pod that is refused as it is created.
const REFUSED: &[&str] = &[
    "podsecurity-rejects-pod",
    "quota-exceeded",
    "quota-requires-requests-limits",
    "serviceaccount-missing",
    "webhook-backend-down-fail-closed",
];

/// The classes, the commonest first.
pub fn suspects(cx: &Context<'_>, c: &Condition) -> &'static [&'static str] {
    match c.kind {
        // Some dashboards show the owner's event where kubectl shows the pod's state.
        K::PodPending
            if cx
                .cluster
                .pod(&c.entity)
                .is_some_and(|p| p.status.reason == "FailedCreate") =>
        {
            REFUSED
        }
        K::PodPending => &[
            "insufficient-node-resources",
            "untolerated-taint",
            "node-selector-mismatch",
            "pvc-no-matching-pv",
            "pvc-selector-mismatch",
            "volume-node-affinity-conflict",
        ],
        K::PodRefused | K::ReplicasMissing => REFUSED,
        // Programs of several namespaces have their own faults only by chance at once.
        K::ContainerCrashLoop if everywhere(cx) => &[
            "coredns-forward-loop",
            "coredns-upstream-unreachable",
            "cni-config-missing",
            "host-firewall-blocks-pod-network",
            "restart-storm-unnoticed",
        ],
        K::ContainerCrashLoop if killed(cx, c) => &[
            "oom-kill",
            "oomkilled-limit-too-low",
            "liveness-probe-too-aggressive",
            "liveness-probe-wrong-endpoint",
        ],
        K::ContainerCrashLoop => &[
            "env-var-missing",
            "liveness-probe-too-aggressive",
            "oomkilled-limit-too-low",
            "command-not-found",
        ],
        // The server answers others: what lies between is at fault.
        K::NameResolutionFailing if answers_others(cx) => &[
            "host-firewall-blocks-pod-network",
            "vxlan-checksum-offload",
            "ip-forward-off",
            "networkpolicy-blocks-traffic",
        ],
        K::NameResolutionFailing | K::DnsDown => &[
            "coredns-forward-loop",
            "coredns-upstream-unreachable",
            "cni-config-missing",
            "host-firewall-blocks-pod-network",
        ],
        K::ImagePullFailing => &[
            "image-name-wrong",
            "image-pull-auth",
            "image-pull-rate-limit",
            "registry-config-missing-on-node",
        ],
        K::ContainerConfigError => &[
            "secret-missing",
            "configmap-missing",
            "secret-key-missing",
            "runasnonroot-image-user",
        ],
        K::VolumeMountFailing => &[
            "secret-missing",
            "configmap-missing",
            "stale-volume-attachment",
            "nfs-export-refused",
        ],
        K::ClaimPending => &[
            "pvc-no-matching-pv",
            "pvc-selector-mismatch",
            "pvc-access-mode-mismatch",
            "pvc-storageclass-missing",
            "pv-released-stale-claimref",
        ],
        K::SandboxFailing => &["cni-config-missing", "cni-ip-pool-exhausted"],
        K::NodeNotReady => &[
            "host-down",
            "cni-config-missing",
            "node-disk-pressure",
            "cert-expired",
        ],
        K::NamespaceTerminating => &[
            "namespace-stuck-finalizer",
            "namespace-stuck-dead-apiservice",
        ],
        K::TlsRejected => &[
            "mixed-ca",
            "foreign-cluster-ca",
            "stale-data-dir",
            "clock-skew",
            "cert-expired",
        ],
        // It says its reason itself, and what lies behind a database of another product has no word of its own.
        K::DatastoreFailing if cx.hits("kine.storage-endpoint").next().is_some() => &[],
        K::DatastoreFailing if is_kine(cx, c) => &[
            "disk-full",
            "disk-too-slow",
            "kine-sqlite-locked",
            "sqlite-data-corrupt",
        ],
        K::DatastoreFailing => &[
            "etcd-quorum-loss",
            "etcd-member-down",
            "disk-too-slow",
            "etcd-nospace",
        ],
        K::JoinFailing => &[
            "token-mismatch",
            "duplicate-node-name",
            "foreign-cluster-ca",
            "etcd-peer-port-blocked",
        ],
        _ => &[],
    }
}

/// What to ask a host about a condition of its own, of which no API server knows.
pub fn look(cx: &Context<'_>, c: &Condition) -> Command {
    if c.kind == K::DatastoreFailing
        && let Some((host, port)) = database(cx, c)
    {
        return command!("nc -zv -w 5 {} {}", host, port.to_string());
    }
    let unit = product::of(cx, &c.entity).unit();
    match c.kind {
        K::HostStorageFailing => {
            command!("df -h; df -i; findmnt -t noproc,nosysfs; dmesg -T | tail -n 50")
        }
        K::HostNetworkFailing => command!(
            "ip -br address; ip route; ss -ltn; journalctl -u {} -n 100 --no-pager",
            unit
        ),
        _ => command!(
            "journalctl -u {} -n 2000 --no-pager | grep -E 'level=(fatal|error)|level\":\"(fatal|error)|panic:|[EF][0-9]{{4}} ' | tail -n 30",
            unit
        ),
    }
}

/// The address of the database in which kine keeps the cluster, where it can't be reached: MySQL's, PostgreSQL's.
fn database(cx: &Context<'_>, c: &Condition) -> Option<(String, u16)> {
    let lines = host::lines(cx, &["kine.storage-endpoint"], "");
    let mut own = lines.iter().filter(|l| l.host == c.entity);
    own.find_map(|l| peer::dialled(&l.line.text))
}

/// Does kine speak on this host, and no etcd?
fn is_kine(cx: &Context<'_>, c: &Condition) -> bool {
    let says = |of: &str| {
        let mut hits = cx.heard();
        hits.any(|h| h.signal.starts_with(of) && host::same_host(&h.host, c.entity.name()))
    };
    says("kine.") && !says("etcd.")
}

/// Did the cluster's DNS answer another pod?
fn answers_others(cx: &Context<'_>) -> bool {
    let mut facts = cx.cluster.facts.iter();
    facts.any(|f| matches!(f.value, Value::Resolve(_, true)))
}

/// Was a container of it ended by a signal that it could not refuse, or asked to end (128 and SIGKILL, SIGTERM)?
/// Whoever ends by itself has a code of its own.
fn killed(cx: &Context<'_>, c: &Condition) -> bool {
    let pod = cx.cluster.pod(&c.entity);
    let mut statuses = pod.into_iter().flat_map(|p| p.statuses());
    statuses.any(|(_, s)| {
        [&s.last_state, &s.state].iter().any(|state| {
            let ended = state.terminated.as_ref();
            ended.is_some_and(|t| matches!(t.exit_code, Some(137 | 143)))
        })
    })
}

/// Do containers of three namespaces or more end again and again?
fn everywhere(cx: &Context<'_>) -> bool {
    let namespaces: std::collections::BTreeSet<_> = cx
        .all(K::ContainerCrashLoop)
        .filter_map(|c| c.entity.namespace())
        .collect();
    namespaces.len() >= 3
}
