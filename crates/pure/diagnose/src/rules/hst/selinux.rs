//! # HST039 SELinux denies what the cluster needs
//!
//! class: selinux-denied
//!
//! ## What it sees
//! Denials in the audit log (`avc: denied`, enforced and not only noted) of a container, of k3s or its runtime,
//! or of the host's own services on their folders; what another program with a policy of its own is denied there is
//! its own business. What containers are denied every day without harm (reading attributes, capabilities
//! that they only try) is a candidate only, and so is any denial where pods, nodes or k3s itself show that nothing
//! suffers.
//!
//! ## Why it matters
//! The program sees a bare "permission denied", and modes and owners of the files look right. Usually the
//! policy package of k3s or rke2 is missing or of another version, or a folder carries the label of its parent.
//!
//! ## What to do
//! Install the policy that fits (`k3s-selinux`, `rke2-selinux`, `container-selinux`), give folders that pods
//! write to the type `container_file_t`, and restore the labels.
//!
//! ## What not to do
//! Do not leave SELinux permissive: `setenforce 0` proves the cause, and switches it off for all programs.

use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST039",
    class: "selinux-denied",
    needs: &[],
    leads_to: &[K::ServiceFailing, K::RuntimeFailing],
    check,
};

/// Programs whose denials are the cluster's, whatever domain they run in.
const PROGRAMS: &[&str] = &[
    "k3s",
    "rke2",
    "kubelet",
    "containerd",
    "runc",
    "flanneld",
    "local-path-prov",
    "longhorn",
];

/// Their folders.
const FOLDERS: &[&str] = &[
    "/var/lib/rancher",
    "/etc/rancher",
    "/var/lib/kubelet",
    "/run/k3s",
    "/run/flannel",
    "/usr/local/bin/k3s",
    "/usr/bin/k3s",
    "/opt/cni",
    "/etc/cni",
    "/var/lib/cni",
    "/opt/local-path-provisioner",
];

/// Domains of programs without a policy of their own, and of what k3s calls: k3s and its children run in them where its
/// policy is missing.
const UNCONFINED: &[&str] = &[
    "init_t",
    "unconfined_",
    "kernel_t",
    "initrc_t",
    "iptables_t",
    "ifconfig_t",
    "insmod_t",
    "kmod_t",
    "mount_t",
    "systemd_",
    "rpm_script_t",
];

/// The type of a context, `container_t` of `system_u:system_r:container_t:s0:c1,c2`.
fn type_of(context: &str) -> &str {
    context.split(':').nth(2).unwrap_or_default()
}

/// Is this the cluster's business?
fn is_ours(line: &Told<'_>) -> bool {
    let domain = type_of(line.group(1));
    let contained = ["container_", "spc_t", "svirt_lxc_net_t", "k3s_", "rke2_"]
        .iter()
        .any(|t| domain.starts_with(t));
    let program = line
        .text
        .split_once("comm=")
        .map_or("", |(_, rest)| rest.split(' ').next().unwrap_or_default())
        .trim_matches(['"', '(', ')']);
    contained
        || PROGRAMS.iter().any(|p| program.starts_with(p))
        || (FOLDERS.iter().any(|f| line.text.contains(f))
            && UNCONFINED.iter().any(|t| domain.starts_with(t)))
}

/// What programs try and can do without.
fn is_trifle(line: &Told<'_>) -> bool {
    let (target, class) = (type_of(line.group(2)), line.group(3));
    let looks = line.group(0).split_ascii_whitespace().all(|op| {
        matches!(
            op,
            "getattr" | "search" | "ioctl" | "lock" | "read" | "open"
        )
    });
    let asked = line
        .group(0)
        .split_ascii_whitespace()
        .all(|op| matches!(op, "getattr" | "search" | "ioctl" | "lock"));
    let kernels = ["sysfs_t", "proc", "sysctl", "kernel_t", "cgroup_t"]
        .iter()
        .any(|t| target.starts_with(t));
    let tries = class.starts_with("cap") || class.starts_with("netlink");
    tries
        || asked
        || (looks && kernels)
        || matches!(class, "key" | "bpf" | "perf_event" | "process")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let denied: Vec<Told<'_>> = host::lines(
        cx,
        &["selinux.denied"],
        "SELinux denied this, and enforced it",
    )
    .into_iter()
    .filter(|l| l.group(4) != "1" && is_ours(l))
    .collect();
    let off = host::facts(cx, |v| match v {
        Value::Setting { name, value, .. } if name.eq_ignore_ascii_case("SELINUX") => {
            (value == "disabled").then_some(())
        }
        _ => None,
    });
    if off.count() > 0 {
        return;
    }
    let words = host::lines(cx, &["selinux.prevents"], "setroubleshoot says it in words");
    for (id, mut lines) in host::by_host(denied) {
        lines.sort_by_key(is_trifle);
        let Some(first) = lines.first() else { continue };
        let (by, on, what) = (
            type_of(first.group(1)).to_owned(),
            type_of(first.group(2)).to_owned(),
            first.group(0).trim().to_owned(),
        );
        let trifle = is_trifle(first);
        // Somebody looked at what runs there, and nothing of it suffers.
        let well = host::well_beside(cx, first.entry);
        let enforced = first.group(4) == "0";
        let mut finding = RULE
            .on(id.clone())
            .title(format!(
                "SELinux of {} denies {by} to {what} a {} of type {on}",
                called(&id),
                first.group(3)
            ))
            .why("The program sees a bare refusal of permission, and modes and owners of the files look right.")
            .term(
                if trifle {
                    35
                } else if enforced {
                    84
                } else {
                    74
                },
                if trifle {
                    "programs try this every day and do without"
                } else if enforced {
                    "the kernel wrote that it denied it, and not in permissive mode"
                } else {
                    "the kernel wrote that it denied it"
                },
            )
            .cite_all(host::quotes(&lines))
            .cite_all(words.iter().map(|l| l.evidence.clone()))
            .safe(
                "What was denied, and which policies are there?",
                "ausearch -m avc -ts recent; rpm -q k3s-selinux rke2-selinux container-selinux; getenforce",
            )
            .check_first(
                "Install the policy, and give folders that pods write to the type for it.",
                "dnf install k3s-selinux container-selinux; semanage fcontext -a -t container_file_t 'PATH(/.*)?' && restorecon -R PATH",
            )
            .dont("Don't leave SELinux permissive: it proves the cause, and protects nothing.");
        finding = host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::ServiceFailing, K::RuntimeFailing],
        );
        if trifle || (well && finding.explains.is_empty()) {
            finding = finding.undecided(
                "Does it work while SELinux only notes what it would deny?",
                "setenforce 0   # try it again, then: setenforce 1",
                &["selinux-denied"],
            );
        }
        out.push(finding);
    }
}
