//! # CNI003 Programs write to different iptables backends
//!
//! class: iptables-backend-conflict
//!
//! ## What it sees
//! Tables that `iptables-legacy` and `iptables-nft` fill at the same time, an iptables that can't read the
//! kernel's rules, or two programs with different backends.
//!
//! ## Why it matters
//! The kernel asks both sets of rules, and neither program sees the other's: a reject in one undoes an
//! accept in the other, and Services go nowhere.
//!
//! ## What to do
//! Choose one backend on all nodes (`update-alternatives --set iptables …`, for k3s also
//! `--prefer-bundled-bin`), then reboot so that the other's rules are gone.
//!
//! ## What not to do
//! Do not flush the rules of a running node from afar: your own way in may go with them.

use crate::analysis::host::{self, Told, called};
use crate::rules::prelude::*;
use defib_model::fact::Value;
use defib_model::report::Evidence;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CNI003",
    class: "iptables-backend-conflict",
    needs: &[],
    leads_to: &[K::HostNetworkFailing],
    check,
};

/// What each backend does with forwarded packets that no rule takes, where both were asked and one drops them.
fn policies(cx: &Context<'_>) -> Vec<Evidence> {
    let told: Vec<_> = host::facts_anywhere(cx, |v| match v {
        Value::Setting { place, name, value } if name == "FORWARD policy" => Some((place, value)),
        _ => None,
    })
    .collect();
    let differs = |(place, value): (&String, &String)| {
        value == "DROP" && told.iter().any(|(_, (p, v))| *p != place && *v == "ACCEPT")
    };
    if !told.iter().any(|(_, (p, v))| differs((p, v))) {
        return Vec::new();
    }
    told.iter()
        .map(|(fact, (place, value))| cx.fact(fact, format!("{place} forwards by {value}")))
        .collect()
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let refused: Vec<Told> = host::lines(
        cx,
        &["iptables.incompatible", "iptables.generation"],
        "this backend can't read the rules that are there",
    )
    .into_iter()
    .filter(|l| l.group(0) != "Permission")
    .collect();
    let both = host::lines(
        cx,
        &["iptables.legacy-present"],
        "the other backend has rules as well",
    );
    let legacy = host::lines(
        cx,
        &["iptables.is-legacy"],
        "a program with the legacy backend",
    );
    let nft = host::lines(
        cx,
        &["iptables.is-nft"],
        "a program with the nf_tables backend",
    );
    let old = host::lines(
        cx,
        &["iptables.old-without-tables"],
        "a program of the time before nf_tables, without tables of its own",
    );
    // A kernel without the module says the same; where somebody has nf_tables it has tables, and others.
    let legacy: Vec<Told> = match nft.is_empty() {
        true => legacy,
        false => legacy.into_iter().chain(old).collect(),
    };
    let two = !legacy.is_empty() && (!nft.is_empty() || !refused.is_empty());
    // Rules in both are common and mostly idle; a network that fails makes them the reason.
    let fails = !host::lines(cx, &["net.no-route", "net.pod-timeout"], "").is_empty()
        || cx.all(K::HostNetworkFailing).next().is_some()
        || cx.all(K::DnsDown).next().is_some()
        || cx.all(K::NameResolutionFailing).next().is_some();
    let policies = policies(cx);
    let decided = !refused.is_empty() || two || (!both.is_empty() && fails);
    let lines: Vec<Told> = refused
        .into_iter()
        .chain(both)
        .chain(if two { legacy } else { Vec::new() })
        .chain(if two { nft } else { Vec::new() })
        .collect();
    for (id, lines) in host::by_host(lines) {
        let mut finding = RULE
            .on(id.clone())
            .title(format!("programs on {} write to different iptables backends", called(&id)))
            .why("The kernel asks both sets of rules, and neither program sees the other's.")
            .term(if decided { 80 } else { 50 }, "both backends have rules")
            .cite_all(lines.iter().map(|l| l.evidence.clone()))
            .safe("Who uses which?", "iptables --version; update-alternatives --display iptables; iptables-legacy-save | wc -l; iptables-nft-save | wc -l")
            .check_first("Choose one on all nodes, then reboot.", "update-alternatives --set iptables /usr/sbin/iptables-nft; update-alternatives --set ip6tables /usr/sbin/ip6tables-nft")
            .dont("Don't flush the rules of a running node from afar: your own way in may go with them.");
        if !decided {
            finding = finding.undecided(
                "Do the rules of the other backend reject traffic of pods?",
                "iptables-legacy-save | grep -iE 'reject|drop'; iptables-nft-save | grep -c KUBE",
                &[
                    "iptables-backend-conflict",
                    "host-firewall-blocks-pod-network",
                ],
            );
        }
        out.push(host::claim(
            cx,
            finding,
            &id,
            &lines,
            &[K::HostNetworkFailing],
        ));
    }
    if !policies.is_empty() && !out.iter().any(|f| f.rule.code == RULE.code) {
        out.push(
            RULE.on(host::entity(""))
                .title("one iptables backend drops forwarded packets that the other one lets through")
                .why("The kernel asks both sets of rules: a packet passes only if neither drops it.")
                .term(74, "both backends are in use, and their policies contradict each other")
                .cite_all(policies)
                .explains_observed(cx, &[K::HostNetworkFailing], &host::entity(""))
                .safe("Who uses which?", "iptables --version; update-alternatives --display iptables; iptables-legacy-save | wc -l; iptables-nft-save | wc -l")
                .check_first("Choose one on all nodes, then reboot.", "update-alternatives --set iptables /usr/sbin/iptables-nft; update-alternatives --set ip6tables /usr/sbin/ip6tables-nft")
                .dont("Don't flush the rules of a running node from afar: your own way in may go with them."),
        );
    }
}
