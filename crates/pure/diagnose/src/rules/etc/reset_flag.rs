//! # ETC012 A left-over cluster-reset flag keeps k3s from starting
//!
//! class: etcd-reset-flag-left
//!
//! ## What it sees
//! k3s that refuses to start and asks to remove the cluster-reset flag (`… membership was previously
//! reset`, of older versions `cluster-reset was successfully performed`), or a reset that is done again
//! and again because the flag stands in the unit or the config file.
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
    for (host, lines) in found {
        let flags = asked(cx, "cluster-reset")
            .filter(|(f, _)| f.host.is_empty() || host.name() == "-" || f.host == host.name())
            .map(|(f, _)| cx.fact(f, "the flag is still given"));
        out.push(
            RULE.on(host.clone())
                .title(format!(
                    "k3s on {} is still told to reset the cluster",
                    called(&host)
                ))
                .why("A reset is done once; with the flag in place every start ends with it.")
                .term(92, "k3s says that it was reset before")
                .cite_all(quotes(&lines))
                .cite_all(flags)
                .explains_observed(cx, TROUBLES, &host)
                .safe(
                    "Where does the flag stand?",
                    "grep -rn cluster-reset /etc/rancher/k3s /etc/systemd/system/k3s*",
                )
                .check_first(
                    "Take it out, and start k3s normally.",
                    "systemctl daemon-reload && systemctl restart k3s",
                )
                .dont("Don't delete db/reset-flag to get past the refusal: that resets once more."),
        );
    }
}
