//! # HST041 The program of k3s can't be executed
//!
//! class: k3s-binary-broken
//!
//! ## What it sees
//! systemd that can't start the program of k3s' unit: made for another CPU or cut short (`Exec format error`),
//! not there, or without the right to be run. What replaced it just before, where a log says so.
//!
//! ## Why it matters
//! k3s never begins, so it has no word to say. An installer that ran by itself, a download that ended early
//! or a file copied from another machine leaves this behind.
//!
//! ## What to do
//! Look at the file, put the version back that ran before, for this CPU, and start.
//!
//! ## What not to do
//! Do not touch the data: nothing of it was read. Do not put an older version than the last that ran.

use crate::analysis::host::{self, TROUBLES, called, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST041",
    class: "k3s-binary-broken",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut lines = host::lines(
        cx,
        &["systemd.not-executed"],
        "systemd can't run the program of the unit",
    );
    lines.retain(|l| {
        let program = l.group(1).rsplit('/').next().unwrap_or_default();
        matches!(program, "k3s" | "rke2")
    });
    for (host, lines) in host::by_host(lines) {
        let (program, why) = lines.first().map_or(("", ""), |l| (l.group(1), l.group(2)));
        let replaced = host::lines(
            cx,
            &["k3s.installer"],
            "this put another program in its place",
        );
        let replaced = replaced
            .into_iter()
            .filter(|l| host::same_host(l.host.name(), host.name()))
            .collect::<Vec<_>>();
        out.push(
            RULE.on(host.clone())
                .title(format!("{program} on {} can't be executed: {why}", called(&host)))
                .why("k3s does not begin at all; its data is as the last run left it.")
                .term(90, "systemd says so")
                .cite_all(quotes(&lines))
                .cite_all(quotes(&replaced).into_iter().take(2))
                .explains_observed(cx, TROUBLES, &host)
                .safe(
                    "What is the file, since when, and what is this machine?",
                    command!("ls -l --time-style=full-iso {}; file {}; uname -m; journalctl -g 'Downloading binary|Installing k3s' -n 20", program, program),
                )
                .check_first(
                    "Put back the version that ran before, for this CPU.",
                    "k3s --version; systemctl restart k3s",
                )
                .dont("Don't reset or restore anything: the data was not touched.")
                .dont("Don't start a version older than the last one that ran on this data."),
        );
    }
}
