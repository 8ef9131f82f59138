//! # ETC012 A left-over cluster-reset flag keeps k3s from starting
//!
//! class: etcd-reset-flag-left
//!
//! ## What it sees
//! k3s that refuses to start and asks to remove the cluster-reset flag (`… membership was previously
//! reset`, of older versions `cluster-reset was successfully performed`), or a reset that is done again
//! and again because the flag stands in the unit or the config file. Without k3s' words: the flag in the
//! config file of a host on which `db/reset-flag` lies, the mark of a reset that is done.
//!
//! ## Why it matters
//! A reset is a one-time command. With the flag in place k3s resets and ends, or refuses, at every
//! start; systemd goes on for ever.
//!
//! ## What to do
//! Take `cluster-reset` (and the restore path) out of config.yaml and the unit, and start k3s normally.
//!
//! ## What not to do
//! Do not delete `db/reset-flag` to get past the refusal: that resets the members once more.

use crate::analysis::host::{self, TROUBLES, asked, called, quotes};
use crate::rules::prelude::*;
use defib_model::Evidence;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC012",
    class: "etcd-reset-flag-left",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut found = host::by_host(host::lines(
        cx,
        &["k3s.reset-before", "k3s.reset-flag-stays"],
        "k3s was asked to reset a second time",
    ));
    let kept = asked(cx, "cluster-reset").any(|(_, value)| value == "true");
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.reset-done"],
        "the reset is done, and k3s ends; the flag must go",
    )) {
        let again = lines.iter().any(|l| l.count >= 2);
        if (again || kept) && !found.contains_key(&host) {
            found.insert(host, lines);
        }
    }
    for (host, evidence) in by_files(cx) {
        if found
            .keys()
            .any(|told| host::same_host(told.name(), host.name()))
        {
            continue;
        }
        out.push(
            about(&host)
                .term(
                    82,
                    "the mark of a reset that is done lies beside the datastore, and k3s refuses to do it twice",
                )
                .cite_all(evidence)
                .explains_observed(cx, TROUBLES, &host),
        );
    }
    for (host, lines) in found {
        let flags = asked(cx, "cluster-reset")
            .filter(|(f, _)| f.host.is_empty() || host.name() == "-" || f.host == host.name())
            .map(|(f, _)| cx.fact(f, "the flag is still given"));
        out.push(
            about(&host)
                .term(92, "k3s says that it was reset before")
                .cite_all(quotes(&lines))
                .cite_all(flags)
                .explains_observed(cx, TROUBLES, &host),
        );
    }
}

fn about(host: &EntityId) -> Finding {
    RULE.on(host.clone())
        .title(format!(
            "k3s on {} is still told to reset the cluster",
            called(host)
        ))
        .why("A reset is done once; with the flag in place every start ends with it.")
        .safe(
            "Where does the flag stand?",
            "grep -rn cluster-reset /etc/rancher/k3s /etc/systemd/system/k3s*",
        )
        .check_first(
            "Take it out, and start k3s normally.",
            "systemctl daemon-reload && systemctl restart k3s",
        )
        .dont("Don't delete db/reset-flag to get past the refusal: that resets once more.")
}

/// Hosts whose settings ask for a reset, where the mark of one that is done lies.
fn by_files(cx: &Context<'_>) -> Vec<(EntityId, Vec<Evidence>)> {
    let marks: Vec<_> = host::facts(cx, |v| match v {
        Value::File { path, .. } if path.ends_with("server/db/reset-flag") => Some(()),
        _ => None,
    })
    .collect();
    let flags = host::facts(cx, |v| match v {
        Value::Setting { place, name, value }
            if place == "config.yaml" && name == "cluster-reset" && value == "true" =>
        {
            Some(())
        }
        _ => None,
    });
    // One that runs has read its settings before: the next start refuses, and is none of today's trouble.
    let runs: Vec<_> = host::facts(cx, |v| match v {
        Value::Unit { name, active, .. } if name.starts_with("k3s") && active == "active" => {
            Some(())
        }
        _ => None,
    })
    .collect();
    let flags = flags.filter(|(flag, ())| !runs.iter().any(|(unit, ())| unit.host == flag.host));
    let both = flags.filter_map(|(flag, ())| {
        let (mark, ()) = marks.iter().find(|(mark, ())| mark.host == flag.host)?;
        let evidence = vec![
            cx.fact(flag, "the flag is still given"),
            cx.fact(mark, "a reset was done here"),
        ];
        Some((host::entity(&flag.host), evidence))
    });
    both.collect()
}
