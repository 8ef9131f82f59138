//! # HST024 The running kernel lacks a module
//!
//! class: kernel-module-missing
//!
//! ## What it sees
//! `modprobe` that does not find a module that k3s needs; a vxlan device, an overlay mount, an iptables
//! table or the bridge's settings that the kernel does not know; a failed check of `k3s check-config`. A module that
//! somebody looked for in vain, on a machine where nothing suffers, may be built in, and is a candidate only.
//!
//! ## Why it matters
//! Without br_netfilter, overlay, vxlan and the xt_ modules there is no pod network or no container. Often
//! a kernel was updated and the host not rebooted, so that the modules of the running one are gone; or
//! the distribution has them in a package of its own (linux-modules-extra).
//!
//! ## What to do
//! Compare `uname -r` with `/lib/modules`; reboot into the installed kernel or install the package; load
//! the module and have it loaded at boot. Where an option of the kernel is missing that makes no module, another
//! kernel is needed: nothing can be loaded.
//!
//! ## What not to do
//! Do not copy modules of another kernel. A warning of k3s that it could not load a module alone means
//! nothing: it may be built in.

use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;
use defib_model::Evidence;
use defib_model::fact::{Fact, Value};

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST024",
    class: "kernel-module-missing",
    needs: &[],
    leads_to: &[K::ServiceFailing, K::HostNetworkFailing, K::RuntimeFailing],
    check,
};

/// Words of what does not work without a module, and which it is (empty: the line says it).
const FAILS: &[(&str, &str)] = &[
    ("module.vxlan", "vxlan"),
    ("module.flannel-backend", "vxlan"),
    ("module.wireguard", "wireguard"),
    ("module.bridge", "br_netfilter"),
    ("module.overlay", "overlay"),
    ("module.table", ""),
    ("module.extension", ""),
];

/// Modules that a node needs.
const NEEDED: &[&str] = &[
    "br_netfilter",
    "overlay",
    "vxlan",
    "nf_conntrack",
    "ip_tables",
    "iptable_nat",
    "iptable_filter",
    "nf_tables",
    "nft_compat",
    "xt_comment",
    "xt_mark",
    "xt_multiport",
    "xt_conntrack",
    "xt_MASQUERADE",
    "ip_vs",
    "ip_vs_rr",
    "ip_vs_wrr",
    "ip_vs_sh",
    "ip_set",
    "wireguard",
    "nfs",
    "iscsi_tcp",
    "dm_crypt",
    "rbd",
];

/// Options that make a part of the kernel and no module; what their want means, other rules say.
const NO_MODULES: &[&str] = &["CONFIG_MEMCG"];

/// Controllers that version 1 of control groups has alone: where version 2 is in use nobody asks for them.
/// Source: Linux `init/Kconfig`, `Documentation/admin-guide/cgroup-v2.rst` (device control is BPF's, freezing and
/// accounting are the core's).
pub(super) const VERSION_1: &[&str] = &[
    "CONFIG_CGROUP_CPUACCT",
    "CONFIG_CGROUP_DEVICE",
    "CONFIG_CGROUP_FREEZER",
    "CONFIG_CPUSETS_V1",
    "CONFIG_MEMCG_V1",
];

/// What one mode of kube-proxy alone asks of the kernel, though `k3s check-config` counts the match among what is
/// needed: k3s' proxy uses iptables where nobody said otherwise. Source: kubernetes `pkg/proxy/ipvs/README.md`.
const IPVS: &[&str] = &[
    "CONFIG_NETFILTER_XT_MATCH_IPVS",
    "CONFIG_IP_VS",
    "CONFIG_IP_VS_NFCT",
    "CONFIG_IP_VS_RR",
    "CONFIG_IP_VS_SH",
    "CONFIG_IP_VS_WRR",
];

/// Ends of the releases of Ubuntu's kernels.
const UBUNTU: &[&str] = &["-generic", "-raspi", "-aws", "-azure", "-gcp", "-kvm"];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let fails: Vec<&str> = FAILS.iter().map(|(s, _)| *s).collect();
    let fails = host::lines(cx, &fails, "the kernel does not know what is asked of it");
    let tried = host::lines(
        cx,
        &["module.not-found"],
        "modprobe does not find the module",
    );
    let warned = host::lines(cx, &["module.not-loaded"], "k3s could not load it");
    // A person who runs modprobe looks for the fault; the unit's own attempt before each start is routine.
    let asked: Vec<_> = host::facts(cx, |v| match v {
        Value::ModuleMissing(m) if NEEDED.contains(&m.as_str()) => Some(m.clone()),
        Value::Check(name, false, said)
            if said.contains("(fail)")
                && name.starts_with("CONFIG_")
                && !NO_MODULES.contains(&name.as_str())
                && !VERSION_1.contains(&name.as_str()) =>
        {
            Some(name.clone())
        }
        _ => None,
    })
    .collect();
    // The units of k3s and containerd try before each start, built in or not.
    let asked: Vec<_> = asked
        .into_iter()
        .filter(|(f, _)| !f.text.contains("modprobe["))
        .collect();
    // Tables of the legacy backend are missing as well where nf_tables is the one in use.
    let backends = !host::lines(
        cx,
        &[
            "iptables.incompatible",
            "iptables.generation",
            "iptables.legacy-present",
            "iptables.is-nft",
        ],
        "",
    )
    .is_empty();
    let fails: Vec<_> = fails
        .into_iter()
        .filter(|l| !(backends && matches!(l.signal, "module.table" | "module.extension")))
        .collect();
    let hosts = host::by_host(fails);
    for (host, lines) in &hosts {
        // What flannel says at its end it says of every backend: the line before it names the one.
        let (last, named): (Vec<_>, Vec<_>) = lines
            .iter()
            .partition(|l| l.signal == "module.flannel-backend");
        let module = named
            .into_iter()
            .chain(last.into_iter().filter(|l| !l.text.contains("wireguard")))
            .map(module_of)
            .find(|m| !m.is_empty())
            .unwrap_or_default();
        let mut finding = found(cx, host, &module, lines)
            .term(82, "the kernel refuses what only that module can do");
        let more = tried
            .iter()
            .chain(&warned)
            .filter(|l| NEEDED.contains(&l.group(0)));
        finding = finding.cite_all(more.map(|l| l.evidence.clone()));
        for (fact, name) in &asked {
            finding = finding.cite(cx.fact(fact, format!("{name} is missing")));
        }
        finding = finding.cite_all(optional(cx, &module));
        out.push(finding.cite_all(release(cx, host)));
    }
    if !hosts.is_empty() {
        return;
    }
    if let Some((fact, name)) = asked.first() {
        let host = host::entity(&fact.host);
        let mut finding =
            found(cx, &host, name, &[]).term(80, "it was asked for, and is not there");
        for (fact, name) in &asked {
            finding = finding.cite(cx.fact(fact, format!("{name} is missing")));
        }
        // modprobe does not find what is built in either. A check reads the kernel's own options.
        let quiet = finding.explains.is_empty() && host::well_beside(cx, fact.entry);
        if asked.iter().all(|(_, n)| IPVS.contains(&n.as_str())) && !is_ipvs(cx) {
            finding = finding.undecided(
                "Does kube-proxy use IPVS? Its other modes do without.",
                "curl -s http://127.0.0.1:10249/proxyMode; grep -rn proxy-mode /etc/rancher/k3s",
                &["kernel-module-missing"],
            );
        }
        let checked = asked.iter().any(|(_, n)| n.starts_with("CONFIG_"));
        if !checked && quiet && warned.is_empty() {
            finding = finding.undecided(
                "Is the module built into the kernel, or is it missing?",
                command!(
                    "grep -c /{}.ko /lib/modules/$(uname -r)/modules.builtin; k3s check-config",
                    name
                ),
                &["kernel-module-missing"],
            );
        }
        out.push(
            finding
                .cite_all(warned.iter().map(|l| l.evidence.clone()))
                .cite_all(release(cx, &host)),
        );
    }
}

/// Was kube-proxy told to use IPVS?
fn is_ipvs(cx: &Context<'_>) -> bool {
    let told = |v: &Value| matches!(v, Value::Setting { value, .. } if value.contains("ipvs"));
    host::facts(cx, |v| told(v).then_some(())).next().is_some()
}

/// Options of the kernel that k3s checks and that make modules, and which. Source: Linux, the `Makefile`s of `net`,
/// `fs/overlayfs`, `drivers/net` and `drivers/md`.
const OPTIONS: &[(&str, &str)] = &[
    ("br_netfilter", "CONFIG_BRIDGE_NETFILTER"),
    ("bridge", "CONFIG_BRIDGE"),
    ("dm_thin_pool", "CONFIG_DM_THIN_PROVISIONING"),
    ("dummy", "CONFIG_DUMMY"),
    ("iptable_nat", "CONFIG_IP_NF_NAT"),
    ("iptable_filter", "CONFIG_IP_NF_FILTER"),
    ("ip_set", "CONFIG_IP_SET"),
    ("ip_set_hash_ip", "CONFIG_IP_SET_HASH_IP"),
    ("ip_set_hash_net", "CONFIG_IP_SET_HASH_NET"),
    ("ip_vs", "CONFIG_IP_VS"),
    ("ip_vs_nfct", "CONFIG_IP_VS_NFCT"),
    ("ip_vs_rr", "CONFIG_IP_VS_RR"),
    ("ip_vs_sh", "CONFIG_IP_VS_SH"),
    ("ip_vs_wrr", "CONFIG_IP_VS_WRR"),
    ("ipt_REJECT", "CONFIG_IP_NF_TARGET_REJECT"),
    ("ipvlan", "CONFIG_IPVLAN"),
    ("macvlan", "CONFIG_MACVLAN"),
    ("nf_conntrack", "CONFIG_NF_CONNTRACK"),
    ("nf_nat", "CONFIG_NF_NAT"),
    ("overlay", "CONFIG_OVERLAY_FS"),
    ("veth", "CONFIG_VETH"),
    ("vxlan", "CONFIG_VXLAN"),
    ("xt_MASQUERADE", "CONFIG_IP_NF_TARGET_MASQUERADE"),
    ("xt_mark", "CONFIG_NETFILTER_XT_MARK"),
];

/// Families of options whose modules are named after them.
const MATCH: &str = "CONFIG_NETFILTER_XT_MATCH_";
const TARGET: &str = "CONFIG_NETFILTER_XT_TARGET_";

/// The module that this names: a module itself, or an option that makes one.
fn loadable(name: &str) -> Option<String> {
    if !name.starts_with("CONFIG_") {
        return Some(name.to_owned()).filter(|n| !n.is_empty());
    }
    let known = OPTIONS.iter().find(|(_, o)| *o == name);
    let matches = || {
        name.strip_prefix(MATCH)
            .map(|m| format!("xt_{}", m.to_ascii_lowercase()))
    };
    // Modules of targets are written large: xt_MASQUERADE.
    let targets = || name.strip_prefix(TARGET).map(|t| format!("xt_{t}"));
    known
        .map(|(m, _)| (*m).to_owned())
        .or_else(matches)
        .or_else(targets)
}

/// A check that calls the option of this module missing. `k3s check-config` counts some as optional that a
/// choice needs (vxlan, overlay); where the kernel refuses, they are not.
fn optional(cx: &Context<'_>, module: &str) -> Option<Evidence> {
    let matched = format!(
        "CONFIG_NETFILTER_XT_MATCH_{}",
        module.trim_start_matches("xt_").to_ascii_uppercase()
    );
    let option = OPTIONS
        .iter()
        .find(|(m, _)| *m == module)
        .map_or(matched.as_str(), |(_, o)| *o)
        .to_owned();
    host::facts(cx, |v| match v {
        Value::Check(name, false, said) if !said.contains("(fail)") => Some(name),
        _ => None,
    })
    .find(|(_, name)| **name == option)
    .map(|(fact, _)| cx.fact(fact, "the kernel was built without it"))
}

fn module_of(line: &Told) -> String {
    let known = FAILS
        .iter()
        .find(|(s, _)| *s == line.signal)
        .map_or("", |(_, m)| *m);
    match line.signal {
        "module.table" if !line.group(0).is_empty() => format!("iptable_{}", line.group(0)),
        "module.extension" => format!("xt_{}", line.group(0)),
        _ => known.to_owned(),
    }
}

/// The kernel that runs there, where `uname` says it.
fn kernel<'c>(cx: &'c Context<'_>, host: &EntityId) -> Option<(&'c Fact, &'c str)> {
    let name = host.name().to_owned();
    host::facts(cx, |v| match v {
        Value::Kernel(release) => Some(release.as_str()),
        _ => None,
    })
    .find(|(f, _)| host::same_host(&f.host, &name))
}

fn release(cx: &Context<'_>, host: &EntityId) -> Option<Evidence> {
    kernel(cx, host).map(|(f, _)| cx.fact(f, "the kernel that runs"))
}

fn found(cx: &Context<'_>, host: &EntityId, module: &str, lines: &[Told<'_>]) -> Finding {
    let which = if module.is_empty() {
        "a module that is needed".to_owned()
    } else {
        module.to_owned()
    };
    // Ubuntu packs most modules apart, by release.
    let package = kernel(cx, host)
        .map(|(_, r)| r)
        .filter(|r| UBUNTU.iter().any(|u| r.ends_with(u)))
        .unwrap_or("…");
    let finding = RULE
        .on(host.clone())
        .title(format!("the running kernel of {} lacks {which}", called(host)))
        .why("Often the kernel was updated and not rebooted into, or the modules are in a package of their own.")
        .cite_all(lines.iter().map(|l| l.evidence.clone()))
        .safe("Does the running kernel have its modules?", "uname -r; ls /lib/modules; k3s check-config");
    let finding = match loadable(module) {
        Some(module) => finding.check_first(
            "Load it now. If that works, write its name into a file of /etc/modules-load.d, so that it is loaded at boot.",
            command!("modprobe {}", module),
        ),
        None if module.is_empty() => finding,
        None => finding.advice(format!(
            "The kernel was built without {module}, which makes no module that could be loaded: install a kernel that has it, and reboot into that."
        )),
    };
    let finding = finding
        .advice(format!("If the running kernel's directory is gone, reboot; if the module is packaged apart (linux-modules-extra-{package}), install that."))
        .dont("Don't copy modules of another kernel.");
    host::claim(
        cx,
        finding,
        host,
        lines,
        &[K::HostNetworkFailing, K::RuntimeFailing, K::ServiceFailing],
    )
}

#[cfg(test)]
mod tests {
    use super::loadable;

    #[test]
    fn options_are_no_modules() {
        let of = |name: &str| loadable(name).unwrap_or_default();
        assert_eq!(of("CONFIG_BRIDGE_NETFILTER"), "br_netfilter");
        assert_eq!(of("CONFIG_NETFILTER_XT_MATCH_COMMENT"), "xt_comment");
        assert_eq!(of("CONFIG_IP_NF_TARGET_MASQUERADE"), "xt_MASQUERADE");
        assert_eq!(of("vxlan"), "vxlan");
        assert_eq!(loadable("CONFIG_NAMESPACES"), None);
        assert_eq!(loadable(""), None);
    }
}
