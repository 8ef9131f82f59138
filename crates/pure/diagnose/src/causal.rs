//! The causal graph: conditions explained by findings, and by conditions upstream.
//!
//! `LEADS` says which condition of a needed entity leads to which condition of what needs it; the
//! edges of the cluster say who needs whom. A condition that a finding claims is explained by it; any
//! other is explained by whatever explains the conditions upstream of it. A cause that is only heard of
//! in a log, and that the objects show no sign of, stays a candidate.
//! Deliberately absent: knowledge of single causes; that is the rules'.

use std::collections::{BTreeMap, BTreeSet};

use defib_model::bundle::Seen;
use defib_model::condition::ConditionKind as K;
use defib_model::edge::EdgeKind as E;
use defib_model::fact::Fact;
use defib_model::id::EntityId;
use defib_model::report::Evidence;

use crate::analysis::addr::{self, Net};
use crate::analysis::{gitops, host, links, scheduling};
use crate::context::Context;
use crate::rule::Finding;

/// Conditions of one pod, from its cause to its effect.
const WITHIN: &[(K, K)] = &[
    (K::NameResolutionFailing, K::ContainerCrashLoop),
    (K::NameResolutionFailing, K::ProbeFailing),
    (K::NameResolutionFailing, K::PodNotReady),
    (K::VolumeMountFailing, K::PodNotReady),
    (K::SandboxFailing, K::PodNotReady),
    (K::ImagePullFailing, K::PodNotReady),
    (K::ContainerConfigError, K::PodNotReady),
    (K::ContainerStartError, K::ContainerCrashLoop),
    (K::ContainerStartError, K::PodNotReady),
    (K::ContainerOomKilled, K::ContainerCrashLoop),
    (K::ContainerOomKilled, K::ProbeFailing),
    (K::ContainerOomKilled, K::PodNotReady),
    (K::ProbeFailing, K::ContainerCrashLoop),
    (K::ContainerCrashLoop, K::ProbeFailing),
    (K::ProbeFailing, K::PodNotReady),
    (K::ContainerCrashLoop, K::PodNotReady),
    (K::PodPending, K::PodNotReady),
    (K::PodNotStarted, K::PodNotReady),
    (K::PodOrphaned, K::PodNotReady),
    (K::PodRefused, K::ReplicasMissing),
    (K::ReplicasMissing, K::RolloutStuck),
    (K::ClaimLost, K::ClaimPending),
    (K::ObjectTerminating, K::ResourceNotReady),
    // Of one host.
    (K::HostStorageFailing, K::DatastoreSlow),
    (K::HostStorageFailing, K::DatastoreFailing),
    (K::HostStorageFailing, K::RuntimeFailing),
    (K::HostStorageFailing, K::ServiceFailing),
    (K::DatastoreSlow, K::DatastoreFailing),
    (K::DatastoreSlow, K::ServiceFailing),
    (K::TlsRejected, K::DatastoreFailing),
    (K::TlsRejected, K::JoinFailing),
    (K::TlsRejected, K::ServiceFailing),
    (K::DatastoreFailing, K::JoinFailing),
    (K::DatastoreFailing, K::ServiceFailing),
    (K::JoinFailing, K::ServiceFailing),
    (K::RuntimeFailing, K::ServiceFailing),
    (K::RuntimeFailing, K::HostNetworkFailing),
    (K::HostNetworkFailing, K::ServiceFailing),
];

/// Causes that bring about others on the same host: of two that are found, the first is the cause.
const FOLLOWS: &[(&str, &[&str])] = &[
    (
        "disk-io-errors",
        &[
            "filesystem-read-only",
            "etcd-data-corrupt",
            "containerd-store-corrupt",
            "disk-too-slow",
            "kine-sqlite-locked",
            "kine-compaction-failing",
        ],
    ),
    (
        "disk-full",
        &[
            "node-disk-pressure",
            "kine-compaction-failing",
            "containerd-store-corrupt",
            "snapshot-incomplete",
        ],
    ),
    (
        "filesystem-read-only",
        &[
            "etcd-data-corrupt",
            "containerd-store-corrupt",
            "etcd-member-down",
            "etcd-quorum-loss",
        ],
    ),
    (
        "disk-too-slow",
        &["kine-sqlite-locked", "kine-compaction-failing"],
    ),
    ("clock-skew", &["cert-expired"]),
    (
        "host-firewall-blocks-pod-network",
        &["aggregated-api-down", "coredns-upstream-unreachable"],
    ),
    (
        "ip-forward-off",
        &["aggregated-api-down", "coredns-upstream-unreachable"],
    ),
    ("no-default-route", &["coredns-upstream-unreachable"]),
    // What lies in both ranges gets no answer, whoever it is.
    (
        "pod-cidr-overlaps-host-network",
        &["coredns-upstream-unreachable", "host-down"],
    ),
    ("vm-disk-image-corrupt", &["host-down"]),
    ("storage-pool-lost", &["host-down"]),
    ("etcd-tombstone", &["etcd-member-was-removed"]),
    ("host-down", &["etcd-member-down", "etcd-quorum-loss"]),
    ("etcd-quorum-loss", &["etcd-member-down"]),
    ("foreign-cluster-ca", &["mixed-ca"]),
    ("node-ip-changed", &["no-default-route", "cert-san-missing"]),
    (
        "dhcp-client-manages-cni-interface",
        &["cni-config-missing", "no-default-route"],
    ),
    (
        "proxy-env-catches-cluster-traffic",
        &[
            "etcd-peer-port-blocked",
            "etcd-quorum-loss",
            "etcd-member-down",
        ],
    ),
    ("host-firewall-blocks-node-port", &["etcd-member-down"]),
    // Of the datastore: what is wrong with one member, before what the others see of it.
    (
        "disk-full",
        &["etcd-data-corrupt", "kine-sqlite-locked", "disk-too-slow"],
    ),
    (
        "disk-too-slow",
        &[
            "etcd-quorum-loss",
            "etcd-member-down",
            "etcd-learner-not-promoted",
        ],
    ),
    ("kine-sqlite-locked", &["kine-compaction-failing"]),
    (
        "clock-skew",
        &["mixed-ca", "etcd-member-down", "etcd-quorum-loss"],
    ),
    (
        "cert-expired",
        &["mixed-ca", "etcd-member-down", "etcd-quorum-loss"],
    ),
    (
        "snapshot-incomplete",
        &["etcd-data-corrupt", "restore-wrong-token", "token-mismatch"],
    ),
    (
        // Not a foreign CA: that is part of the data, and whoever compared fingerprints knows more.
        "stale-data-dir",
        &["token-mismatch", "mixed-ca"],
    ),
    (
        "token-mismatch",
        &["foreign-cluster-ca", "restore-wrong-token"],
    ),
    (
        "duplicate-node-name",
        &[
            "etcd-ghost-member",
            "etcd-learner-not-promoted",
            "etcd-member-down",
        ],
    ),
    (
        "node-ip-changed",
        &[
            "etcd-ghost-member",
            "etcd-member-down",
            "etcd-quorum-loss",
            "stale-data-dir",
        ],
    ),
    (
        "etcd-ghost-member",
        &[
            "etcd-quorum-loss",
            "etcd-member-down",
            "etcd-learner-not-promoted",
        ],
    ),
    (
        "etcd-cluster-id-mismatch",
        &[
            "etcd-quorum-loss",
            "etcd-member-down",
            "etcd-peer-port-blocked",
        ],
    ),
    (
        "etcd-peer-port-blocked",
        &["etcd-quorum-loss", "etcd-member-down"],
    ),
    (
        "etcd-data-corrupt",
        &["etcd-quorum-loss", "etcd-member-down"],
    ),
    (
        "etcd-member-was-removed",
        &[
            "etcd-quorum-loss",
            "etcd-member-down",
            "etcd-learner-not-promoted",
        ],
    ),
    (
        "etcd-tombstone",
        &["etcd-member-was-removed", "etcd-member-down"],
    ),
    ("mixed-ca", &["etcd-quorum-loss", "etcd-member-down"]),
    (
        "foreign-cluster-ca",
        &["etcd-quorum-loss", "etcd-member-down"],
    ),
    ("endpoint-on-sick-member", &["etcd-member-down"]),
    ("etcd-learner-not-promoted", &["etcd-member-down"]),
    ("auto-upgrade", &["version-skew"]),
    ("etcd-nospace", &["disk-too-slow"]),
    // A program that may not be started is whole.
    ("selinux-denied", &["k3s-binary-broken"]),
    // What k3s makes of an empty folder.
    (
        "data-dir-not-mounted",
        &[
            "duplicate-node-name",
            "etcd-cluster-id-mismatch",
            "etcd-ghost-member",
            "etcd-member-down",
            "foreign-cluster-ca",
            "stale-data-dir",
        ],
    ),
    // What ends a server takes its member with it.
    ("port-in-use", MEMBER),
    ("oom-kill", MEMBER),
    ("k3s-config-invalid", MEMBER),
    ("k3s-binary-broken", MEMBER),
    ("disk-full", MEMBER),
    ("disk-io-errors", MEMBER),
    ("filesystem-read-only", MEMBER),
    ("token-mismatch", MEMBER),
    ("restore-wrong-token", MEMBER),
    ("bootstrap-data-conflict", MEMBER),
    ("etcd-reset-flag-left", MEMBER),
    ("etcd-nospace", MEMBER),
    ("version-skew", MEMBER),
    ("auto-upgrade", MEMBER),
    ("memory-cgroup-off", MEMBER),
    ("kernel-module-missing", MEMBER),
    ("no-default-route", MEMBER),
    // Of storage, from below upwards.
    (
        "storage-pool-lost",
        &[
            "vm-disk-image-corrupt",
            "disk-io-errors",
            "filesystem-read-only",
            "disk-full",
            "host-down",
        ],
    ),
    (
        "vm-disk-image-corrupt",
        &["filesystem-read-only", "disk-io-errors"],
    ),
    ("iommu-unavailable", &["host-down"]),
    // What keeps flannel from starting keeps its configuration from being written.
    ("no-default-route", &["cni-config-missing"]),
    (
        "kernel-module-missing",
        &[
            "cni-config-missing",
            "ip-forward-off",
            "snapshotter-unsupported-fs",
        ],
    ),
    ("pod-cidr-mismatch", &["cni-config-missing"]),
    ("disk-full", &["cni-config-missing", "filesystem-read-only"]),
    ("pod-cidr-overlaps-host-network", &["pod-cidr-mismatch"]),
    (
        "iptables-backend-conflict",
        &["host-firewall-blocks-pod-network"],
    ),
    ("cgroup-v1-view-only", &["memory-cgroup-off"]),
    ("oom-kill", &["host-down"]),
];

/// What the other members see when one server does not run.
const MEMBER: &[&str] = &["etcd-member-down", "etcd-quorum-loss"];

/// Troubles that keep a pod from working.
const POD: &[K] = &[
    K::PodPending,
    K::PodNotStarted,
    K::PodOrphaned,
    K::ContainerCrashLoop,
    K::ContainerConfigError,
    K::ContainerStartError,
    K::ContainerOomKilled,
    K::ImagePullFailing,
    K::VolumeMountFailing,
    K::SandboxFailing,
    K::ProbeFailing,
    K::PodNotReady,
    K::PodEvicted,
    K::PodStuckTerminating,
];

/// What follows for the one that needs, from a condition of the needed.
const LEADS: &[(E, &[K], &[K])] = &[
    (
        E::MountsClaim,
        &[K::ClaimPending, K::ClaimLost],
        &[K::PodPending, K::VolumeMountFailing, K::PodNotReady],
    ),
    (
        E::BindsVolume,
        &[K::VolumeFailed, K::ObjectTerminating],
        &[K::ClaimPending, K::ClaimLost],
    ),
    (
        E::RunsOn,
        &[K::NodeNotReady],
        &[
            K::PodNotReady,
            K::PodStuckTerminating,
            K::VolumeMountFailing,
            K::SandboxFailing,
            K::ProbeFailing,
            K::PodNotStarted,
        ],
    ),
    (
        E::RunsOn,
        &[K::NodeNetworkUnavailable],
        &[K::PodNotReady, K::SandboxFailing],
    ),
    (E::RunsOn, &[K::NodePressure], &[K::PodEvicted]),
    (
        E::Owns,
        POD,
        &[K::ReplicasMissing, K::RolloutStuck, K::JobFailed],
    ),
    (
        E::Owns,
        &[K::PodRefused, K::ReplicasMissing],
        &[K::ReplicasMissing, K::RolloutStuck],
    ),
    (E::Owns, &[K::JobFailed], &[K::ResourceNotReady]),
    (E::Selects, POD, &[K::ServiceWithoutEndpoints]),
    (
        E::Selects,
        &[K::ReplicasMissing, K::PodRefused],
        &[K::ServiceWithoutEndpoints],
    ),
    (
        E::ServedBy,
        &[K::ServiceWithoutEndpoints],
        &[K::ApiServiceUnavailable, K::WebhookFailing],
    ),
    (
        E::DiscoversThrough,
        &[K::ApiServiceUnavailable],
        &[K::NamespaceTerminating],
    ),
    (E::Resolves, &[K::DnsDown], &[K::NameResolutionFailing]),
    (E::DnsServedBy, POD, &[K::DnsDown]),
];

/// The judgement.
pub(crate) struct Judged {
    /// Findings that name causes, in no order yet.
    pub roots: Vec<Finding>,
    /// Findings that can't decide.
    pub candidates: Vec<Finding>,
    /// For every condition the indices of the roots that explain it.
    pub explained: Vec<BTreeSet<usize>>,
    /// For every condition the one upstream that explains it, and why.
    pub via: Vec<Option<(usize, &'static str)>>,
}

/// For every condition the conditions upstream of it, with the reason in words.
fn upstream(cx: &Context<'_>) -> Vec<Vec<(usize, &'static str)>> {
    let mut at: BTreeMap<(K, &EntityId), usize> = BTreeMap::new();
    for (i, c) in cx.conditions.iter().enumerate() {
        at.insert((c.kind, &c.entity), i);
    }
    let mut out: Vec<Vec<(usize, &'static str)>> = Vec::with_capacity(cx.conditions.len());
    for c in &cx.conditions {
        let mut list = Vec::new();
        for (from, to) in WITHIN {
            if *to == c.kind
                && let Some(i) = at.get(&(*from, &c.entity))
            {
                list.push((*i, from.title()));
            }
        }
        for edge in cx.cluster.needs(&c.entity) {
            for (kind, causes, effects) in LEADS {
                if *kind != edge.kind || !effects.contains(&c.kind) {
                    continue;
                }
                for cause in *causes {
                    if let Some(i) = at.get(&(*cause, &edge.to)) {
                        list.push((*i, edge.kind.words()));
                    }
                }
            }
        }
        list.extend(waits_for_nodes(cx, c, &at));
        list.extend(refused_by_webhook(cx, c, &at));
        for service in links::called(cx, c) {
            list.extend(
                at.get(&(K::ServiceWithoutEndpoints, &service))
                    .map(|i| (*i, "calls")),
            );
        }
        for pod in links::provisioners(cx, c) {
            list.extend(
                POD.iter()
                    .filter_map(|k| at.get(&(*k, &pod)))
                    .map(|i| (*i, "is provisioned by")),
            );
        }
        for maker in links::makers(cx, c) {
            list.extend(
                at.get(&(K::ResourceNotReady, &maker))
                    .map(|i| (*i, "needs a Secret made by")),
            );
        }
        for needed in gitops::waits_for(cx, c) {
            list.extend(
                gitops::KINDS
                    .iter()
                    .filter_map(|k| at.get(&(*k, &needed)))
                    .map(|i| (*i, "waits for")),
            );
        }
        out.push(list);
    }
    out
}

/// A pod that waits because nodes carry a health taint waits for those nodes.
fn waits_for_nodes(
    cx: &Context<'_>,
    c: &defib_model::Condition,
    at: &BTreeMap<(K, &EntityId), usize>,
) -> Vec<(usize, &'static str)> {
    let Some(pod) = cx
        .cluster
        .pod(&c.entity)
        .filter(|_| c.kind == K::PodPending)
    else {
        return Vec::new();
    };
    let Some((_, message)) = scheduling::message(pod) else {
        return Vec::new();
    };
    let clauses = scheduling::clauses(message);
    // Any node that is out for its own troubles counts: the others may only be full because of it.
    let health = clauses
        .iter()
        .any(|c| matches!(&c.reason, scheduling::Reason::Taint(key, _) if scheduling::is_health_taint(key) || key.is_empty()));
    if !health {
        return Vec::new();
    }
    at.iter()
        .filter(|((kind, _), _)| matches!(kind, K::NodeNotReady | K::NodePressure))
        .map(|(_, i)| (*i, "could only be placed on"))
        .collect()
}

/// Pods, and custom resources, that a failing webhook refuses.
fn refused_by_webhook(
    cx: &Context<'_>,
    c: &defib_model::Condition,
    at: &BTreeMap<(K, &EntityId), usize>,
) -> Vec<(usize, &'static str)> {
    if !matches!(c.kind, K::PodRefused | K::ResourceNotReady) {
        return Vec::new();
    }
    c.evidence
        .iter()
        .filter_map(|e| {
            let plain = e.text.replace("\\\"", "\"");
            let webhook =
                crate::analysis::webhook::entity_of(cx, crate::analysis::webhook_in(&plain)?);
            at.get(&(K::WebhookFailing, &webhook))
                .map(|i| (*i, "is refused by"))
        })
        .collect()
}

struct Solver<'f> {
    upstream: Vec<Vec<(usize, &'static str)>>,
    direct: Vec<Vec<usize>>,
    findings: &'f [Finding],
    memo: Vec<Option<BTreeSet<usize>>>,
    via: Vec<Option<(usize, &'static str)>>,
}

impl Solver<'_> {
    fn explain(&mut self, i: usize, open: &mut Vec<usize>) -> BTreeSet<usize> {
        if let Some(Some(known)) = self.memo.get(i) {
            return known.clone();
        }
        if open.contains(&i) {
            return BTreeSet::new();
        }
        let direct = self.direct.get(i).cloned().unwrap_or_default();
        let strong = self.best(&direct, false);
        let mut got: BTreeSet<usize> = strong;
        let mut via = None;
        if got.is_empty() {
            open.push(i);
            for (up, why) in self.upstream.get(i).cloned().unwrap_or_default() {
                let from = self.explain(up, open);
                if !from.is_empty() && via.is_none() {
                    via = Some((up, why));
                }
                got.extend(from);
            }
            open.pop();
        }
        if got.is_empty() {
            got = self.best(&direct, true);
            via = None;
        }
        // Inside a circle the answer depends on where it was entered: kept only at its start.
        if open.is_empty() || !got.is_empty() {
            if let Some(slot) = self.memo.get_mut(i) {
                *slot = Some(got.clone());
            }
            if let Some(slot) = self.via.get_mut(i) {
                *slot = via;
            }
        }
        got
    }

    /// The surest of the findings that claim a condition; those almost as sure stand beside it.
    fn best(&self, direct: &[usize], weak: bool) -> BTreeSet<usize> {
        let sure = |f: &&usize| {
            self.findings
                .get(**f)
                .filter(|f| f.weak == weak && !f.undecided)
                .map(Finding::confidence)
        };
        let top = direct.iter().filter_map(|f| sure(&f)).fold(0.0, f64::max);
        direct
            .iter()
            .filter(|f| sure(f).is_some_and(|c| c >= top - 0.1))
            .copied()
            .collect()
    }
}

/// Is this cause only heard of? Its best evidence is a line of a log, it explains nothing, and its
/// trouble would show: the objects were seen whole, or all pods were, none suffers, and who says it is
/// well. Then it may be over, or somebody else's. A journal without objects is heard in any case.
fn is_hearsay(cx: &Context<'_>, finding: &Finding) -> bool {
    if !finding.explains.is_empty() || !finding.evidence.first().is_some_and(Evidence::is_log) {
        return false;
    }
    let cluster = cx.cluster;
    let quiet = cx.conditions.is_empty() && cluster.listed.contains_key("Pod");
    let mut lines = finding.evidence.iter().filter(|e| e.is_log());
    cluster.objects_seen == Seen::All || (quiet && lines.all(|e| cx.said_by_the_well(e)))
}

/// The host that a finding is about, if anybody names it.
fn host_of(finding: &Finding) -> Option<&str> {
    match finding.entity.kind() {
        "host" | "node" => Some(finding.entity.name()).filter(|n| *n != "-"),
        _ => None,
    }
}

/// Causes of a hypervisor that show in its guests: there the host is another one.
const BELOW: &[&str] = &["storage-pool-lost", "vm-disk-image-corrupt"];

/// Is this a word of the text?
fn holds(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
        .any(|w| w == word)
}

/// It reaches as far as the ranges do.
const OVERLAP: &str = "pod-cidr-overlaps-host-network";

/// Does what this finding cites speak of an address in the pods' ranges? Of a call it is whom it calls.
fn in_pod_ranges(cx: &Context<'_>, finding: &Finding) -> bool {
    let given = cx.cluster.nodes.iter().map(|n| n.spec.pod_cidr.as_str());
    let mut ranges: Vec<Net> = given.filter_map(Net::parse).collect();
    ranges.extend(addr::configured(cx).into_iter().map(|(net, _)| net));
    // k3s' own, where nobody shows another one.
    ranges.extend(Net::parse("10.42.0.0/16").filter(|_| ranges.is_empty()));
    let within = |at: Net| ranges.iter().any(|r| r.overlaps(at));
    // A host is its node's address, too.
    let host = host_of(finding).unwrap_or_default();
    let mut own = cx.cluster.nodes.iter().filter(|n| n.metadata.name == host);
    let own = own.any(|n| {
        let mut list = n.status.addresses.iter();
        list.any(|a| Net::parse(&a.address).is_some_and(within))
    });
    if own || Net::parse(host).is_some_and(within) {
        return true;
    }
    finding.evidence.iter().any(|e| {
        let called = e.text.rsplit("->").next().unwrap_or_default();
        let words = called.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        words.filter_map(Net::parse).any(within)
    })
}

/// The decided findings: by class the hosts that they are about. Findings may be thousands.
struct Decided<'f> {
    hosts: BTreeMap<&'static str, BTreeSet<Option<&'f str>>>,
    below: Vec<&'f Finding>,
}

impl<'f> Decided<'f> {
    fn of(findings: &'f [Finding]) -> Self {
        let mut hosts: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for f in findings.iter().filter(|f| !f.undecided) {
            hosts.entry(f.rule.class).or_default().insert(host_of(f));
        }
        let is_below = |f: &&Finding| !f.undecided && BELOW.contains(&f.rule.class);
        let below = findings.iter().filter(is_below).collect();
        Self { hosts, below }
    }

    /// Does what shows the cause below name this guest, or the command that shows it?
    /// `/var/lib/libvirt/images/db-2.qcow2`, `domain db-2`.
    fn names(&self, cx: &Context<'_>, class: &str, guest: &str) -> bool {
        let word = |text: &str| holds(text, guest);
        let asked = |e: &Evidence| host::printed_by(cx, e).is_some_and(|f| word(&f.command));
        let mut own = self.below.iter().filter(|f| f.rule.class == class);
        // Or the number under which its list of machines has this one, which is off?
        let listed = host::lines(cx, &["pve.stopped"], "");
        let number = listed.iter().find(|l| l.group(1) == guest);
        own.any(|f| {
            let mut shown = f.evidence.iter();
            shown.any(|e| {
                let by_number = |l: &host::Told<'_>| {
                    let number = l.group(0);
                    let starts = |f: &Fact| {
                        ["qm ", "pct "].iter().any(|p| f.command.contains(p))
                            && holds(&f.command, number)
                    };
                    l.evidence.file == e.file
                        && (e.text.contains(&format!("vm-{number}-disk"))
                            || host::printed_by(cx, e).is_some_and(starts))
                };
                word(&e.text) || asked(e) || number.is_some_and(by_number)
            })
        })
    }

    /// Does another finding name what brought this one about, on the same host or where nobody knows which?
    fn lead_to(&self, cx: &Context<'_>, finding: &Finding) -> bool {
        let host = host_of(finding);
        FOLLOWS
            .iter()
            .filter(|(_, next)| next.contains(&finding.rule.class))
            .filter_map(|(class, _)| Some((class, self.hosts.get(class)?)))
            .filter(|(class, _)| **class != OVERLAP || in_pod_ranges(cx, finding))
            .any(|(class, up)| {
                host.is_none()
                    || up.contains(&None)
                    || up.contains(&host)
                    || host.is_some_and(|guest| self.names(cx, class, guest))
            })
    }
}

/// Judges all findings against all conditions.
pub(crate) fn judge(cx: &Context<'_>, mut findings: Vec<Finding>) -> Judged {
    for finding in &mut findings {
        if !finding.undecided && is_hearsay(cx, finding) {
            finding.doubt();
        }
    }
    let mut direct: Vec<Vec<usize>> = vec![Vec::new(); cx.conditions.len()];
    for (f, finding) in findings.iter().enumerate() {
        for (kind, entity) in &finding.explains {
            if let Some(i) = cx.position(*kind, entity)
                && let Some(list) = direct.get_mut(i)
            {
                list.push(f);
            }
        }
    }
    let count = cx.conditions.len();
    let mut solver = Solver {
        upstream: upstream(cx),
        direct,
        findings: &findings,
        memo: vec![None; count],
        via: vec![None; count],
    };
    let mut explained: Vec<BTreeSet<usize>> = Vec::with_capacity(count);
    for i in 0..count {
        explained.push(solver.explain(i, &mut Vec::new()));
    }
    let via = solver.via.clone();

    let winners: BTreeSet<usize> = explained.iter().flatten().copied().collect();
    let mut order: BTreeMap<usize, usize> = BTreeMap::new();
    let (mut roots, mut candidates) = (Vec::new(), Vec::new());
    let decided = Decided::of(&findings);
    for (f, finding) in findings.iter().enumerate() {
        if decided.lead_to(cx, finding) {
            continue;
        }
        let stands_alone = finding.explains.is_empty() && !finding.undecided;
        if winners.contains(&f) || stands_alone {
            order.insert(f, roots.len());
            roots.push(finding.clone());
        } else if finding.undecided {
            // A candidate is of interest only while something that it would explain is open.
            let open = finding.explains.is_empty()
                || finding.explains.iter().any(|(kind, entity)| {
                    let at = cx.position(*kind, entity);
                    at.and_then(|i| explained.get(i))
                        .is_some_and(BTreeSet::is_empty)
                });
            if open {
                candidates.push(finding.clone());
            }
        }
    }
    let explained = explained
        .into_iter()
        .map(|set| {
            set.into_iter()
                .filter_map(|f| order.get(&f).copied())
                .collect()
        })
        .collect();
    Judged {
        roots,
        candidates,
        explained,
        via,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cause_follows_itself() {
        fn reaches(from: &str, to: &str, seen: &mut BTreeSet<&'static str>) -> bool {
            FOLLOWS
                .iter()
                .filter(|(c, _)| *c == from)
                .flat_map(|(_, next)| next.iter())
                .any(|n| *n == to || (seen.insert(n) && reaches(n, to, seen)))
        }
        for (class, _) in FOLLOWS {
            assert!(
                !reaches(class, class, &mut BTreeSet::new()),
                "{class} would take itself away"
            );
        }
    }
}
