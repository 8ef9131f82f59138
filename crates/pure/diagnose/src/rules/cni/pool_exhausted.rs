//! # CNI002 The node has no pod address left
//!
//! class: cni-ip-pool-exhausted
//!
//! ## What it sees
//! A pod's sandbox can not be made: the address plugin says that its range holds no free address.
//!
//! ## Why it matters
//! A node has a /24, so 254 addresses. Reservations are files; those of pods that vanished without a
//! proper end (a crash, a wiped data directory) stay and use the range up.
//!
//! ## What to do
//! Compare the reservations with the pods that really run there. Remove those without a pod, on that
//! node, or drain and reboot it after clearing the directory.
//!
//! ## What not to do
//! Do not delete reservations of living pods: two pods then share one address.

use crate::analysis::storage;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI002",
    class: "cni-ip-pool-exhausted",
    needs: &["Event"],
    leads_to: &[K::SandboxFailing],
    check,
};

/// Source: containernetworking/plugins `plugins/ipam/host-local/backend/allocator/allocator.go`; calico-ipam; cilium `pkg/ipam`.
const WORDS: &[&str] = &[
    "no IP addresses available in range set",
    "no addresses available",
    "No more IPs available",
    "no IPs available",
    "all pod ip are busy",
    "failed to request IPv4 addresses",
    // Cilium's own allocator. Source: cilium `pkg/ipam/service/ipallocator/allocator.go` (ErrFull).
    "range is full",
    "IpamFailure range is full",
];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for c in cx.all(K::SandboxFailing) {
        let words = storage::said(
            cx,
            &c.entity,
            WORDS,
            "the address plugin finds no free address",
        );
        if words.is_empty() {
            continue;
        }
        let node = cx
            .cluster
            .pod(&c.entity)
            .map_or("", |p| p.spec.node_name.as_str());
        let entity = if node.is_empty() {
            EntityId::other("nodes", "cluster")
        } else {
            EntityId::object("Node", "", "", node)
        };
        let which = if node.is_empty() {
            "the node".to_owned()
        } else {
            format!("node {node}")
        };
        out.push(
            RULE.on(entity)
                .title(format!("{which} has no pod address left"))
                .why("Every new pod of the node fails until an address is given back.")
                .term(90, "the address plugin says so")
                .cite_all(words)
                .explains(K::SandboxFailing, &c.entity)
                .safe("Compare reservations with pods, on that node.", command!("ls /var/lib/cni/networks/cbr0 | wc -l; kubectl get pods -A --field-selector spec.nodeName={} --no-headers | wc -l", node))
                .check_first("Drain the node, clear the left-over reservations, reboot.", command!("kubectl drain {} --ignore-daemonsets --delete-emptydir-data", node))
                .dont("Don't delete the reservations of living pods: two pods would share one address."),
        );
    }
    if !out.iter().any(|f| f.rule.code == RULE.code) {
        for hit in cx.hits("cni.range-exhausted").take(1) {
            out.push(
                RULE.on(EntityId::other("nodes", "cluster"))
                    .title("a node has no pod address left")
                    .why("Every new pod of the node fails until an address is given back.")
                    .term(85, "the address plugin says so, in the log")
                    .cite(cx.log(hit, 0, "the address plugin finds no free address"))
                    .safe("Compare reservations with pods, on that node.", "ls /var/lib/cni/networks/cbr0 | wc -l; k3s crictl pods -q | wc -l")
                    .dont("Don't delete the reservations of living pods: two pods would share one address."),
            );
        }
    }
}
