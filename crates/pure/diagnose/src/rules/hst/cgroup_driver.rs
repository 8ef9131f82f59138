//! # HST038 The kubelet and the runtime use different cgroup drivers
//!
//! class: cgroup-driver-mismatch
//!
//! ## What it sees
//! The runtime that refuses the kubelet's path of control groups because it is not in systemd's form, or a
//! kubelet that names both drivers; `SystemdCgroup` in containerd's configuration and the kubelet's
//! `cgroup-driver` where they are shown.
//!
//! ## Why it matters
//! The kubelet names a pod's control group in the form of its own driver. A runtime with the other one
//! can't make it: no sandbox is made, and no pod starts.
//!
//! ## What to do
//! Give both the same driver. k3s sets both by itself: in a template of its own the line is
//! `SystemdCgroup = {{ .SystemdCgroup }}` and not a fixed value.
//!
//! ## What not to do
//! Do not change the driver of a node with pods on it: drain it first, the pods' groups stay where they are.

use crate::analysis::host::{self, called};
use crate::rules::prelude::*;
use defib_model::fact::{Fact, Value};

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST038",
    class: "cgroup-driver-mismatch",
    needs: &[],
    leads_to: &[K::SandboxFailing, K::RuntimeFailing, K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let runtime: Vec<_> = host::facts(cx, |v| match v {
        Value::Setting { name, value, .. } if is_runtime(name) => Some(value == "true"),
        _ => None,
    })
    .collect();
    let kubelet: Vec<_> = host::facts(cx, |v| match v {
        Value::Setting { name, value, .. } if name == "cgroup-driver" => Some(value == "systemd"),
        _ => None,
    })
    .collect();
    let lines = host::lines(
        cx,
        &["cgroup.driver-path", "cgroup.driver-differs"],
        "the runtime can't use the kubelet's control group",
    );
    let hosts = host::by_host(lines);
    for (id, lines) in &hosts {
        let mut finding = found(id)
            .term(
                92,
                "the runtime expects systemd's form, and the kubelet gives another",
            )
            .cite_all(lines.iter().map(|l| l.evidence.clone()));
        for (fact, _) in runtime.iter().chain(&kubelet) {
            if host::same_host(&fact.host, id.name()) {
                finding = finding.cite(cx.fact(fact, "a driver, as it is configured"));
            }
        }
        out.push(host::claim(
            cx,
            finding,
            id,
            lines,
            &[K::RuntimeFailing, K::ServiceFailing],
        ));
    }
    if hosts.is_empty() {
        configured(cx, &runtime, &kubelet, out);
    }
}

/// Keys of containerd's configuration that choose the driver.
fn is_runtime(name: &str) -> bool {
    matches!(name, "SystemdCgroup" | "systemd_cgroup")
}

/// Two files that differ are a reason only where sandboxes fail or the runtime does.
fn configured(
    cx: &Context<'_>,
    runtime: &[(&Fact, bool)],
    kubelet: &[(&Fact, bool)],
    out: &mut Vec<Finding>,
) {
    // The last file of a host that says it counts.
    let of_one = |(k, _): &&(&Fact, bool)| {
        let same = |(r, _): &&&(&Fact, bool)| host::same_host(&r.host, &k.host);
        runtime.iter().rev().find(|r| same(&r)).copied()
    };
    let mut said: Vec<&str> = Vec::new();
    let differ = kubelet.iter().rev().find_map(|kubelet| {
        let first = !said.contains(&kubelet.0.host.as_str());
        said.push(&kubelet.0.host);
        let runtime = of_one(&kubelet).filter(|r| first && r.1 != kubelet.1)?;
        Some((runtime.0, kubelet.0))
    });
    let Some((r, k)) = differ else { return };
    let id = host::entity(if r.host.is_empty() { &k.host } else { &r.host });
    let mut finding = found(&id)
        .term(50, "the files of the two name different drivers")
        .cite(cx.fact(r, "the runtime's driver, as it is configured"))
        .cite(cx.fact(k, "the kubelet's driver, as it is configured"))
        .explains_if(cx, K::RuntimeFailing, &id);
    let here = |pod: &EntityId| {
        let node = cx.cluster.pod(pod).map_or("", |p| &p.spec.node_name);
        host::same_host(node, id.name())
    };
    for c in cx.all(K::SandboxFailing).filter(|c| here(&c.entity)) {
        finding = finding.explains(K::SandboxFailing, &c.entity);
    }
    if finding.explains.is_empty() {
        return;
    }
    out.push(finding.undecided(
        "Are these the files that the running kubelet and containerd read?",
        "crictl info | grep -i systemdCgroup; ps -ef | grep -o 'cgroup-driver=[a-z]*'",
        &["cgroup-driver-mismatch"],
    ));
}

fn found(id: &EntityId) -> Finding {
    RULE.on(id.clone())
        .title(format!("the kubelet and the runtime of {} use different cgroup drivers", called(id)))
        .why("The kubelet names control groups in the form of its driver; a runtime with the other can't make them.")
        .safe("Which driver has each?", "crictl info | grep -i systemdCgroup; ps -ef | grep -o 'cgroup-driver=[a-z]*'; grep -rn SystemdCgroup /var/lib/rancher/k3s/agent/etc/containerd/ /etc/containerd/")
        .advice("Give both the same driver; in a template of k3s' containerd write SystemdCgroup = {{ .SystemdCgroup }}, not a fixed value. Then restart k3s on that node.")
        .dont("Don't change the driver of a node with pods on it: drain it first.")
}
