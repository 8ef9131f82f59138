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
//! Look at the file, and at the version that its log or the other nodes show. Fetch that version's program for this
//! CPU beside the broken one, see that it runs, put it in its place, and start the unit. Nothing on the host keeps the
//! old program. Where only the right to be run is missing, give it that.
//!
//! ## What not to do
//! Do not touch the data: nothing of it was read. Do not put an older version than the last that ran.

use crate::analysis::host::{self, TROUBLES, called, quotes};
use crate::analysis::product::Product;
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
        let (unit, program, why) = lines
            .first()
            .map_or(("", "", ""), |l| (l.group(0), l.group(1), l.group(2)));
        let rke2 = program.ends_with("rke2");
        let product = Product::named(if rke2 { "rke2-server" } else { "" }).unwrap_or_default();
        let replaced = host::lines(
            cx,
            &["k3s.installer"],
            "this put another program in its place",
        );
        let replaced = replaced
            .into_iter()
            .filter(|l| host::same_host(l.host.name(), host.name()))
            .collect::<Vec<_>>();
        let finding = RULE.on(host.clone())
                .title(format!("{program} on {} can't be executed: {why}", called(&host)))
                .why(format!("{} does not begin at all; its data is as the last run left it.", product.name()))
                .term(90, "systemd says so")
                .cite_all(quotes(&lines))
                .cite_all(quotes(&replaced).into_iter().take(2))
                .explains_observed(cx, TROUBLES, &host)
                .safe(
                    "What is the file, since when, and what is this machine?",
                    command!("ls -l --time-style=full-iso {}; file {}; uname -m; journalctl -g 'Downloading binary|Installing k3s' -n 20", program, program),
                )
                .safe(
                    "Which version ran before?",
                    command!("journalctl -u {} | grep -o 'Starting {} .*' | tail -3; kubectl get nodes   # on a server that runs", unit, product.name()),
                )
                .dont("Don't reset or restore anything: the data was not touched.")
                .dont("Don't start a version older than the last one that ran on this data.");
        let finding = if why == "Permission denied" {
            finding.check_first(
                "Give it the right to be run; if it has that, look for a file system mounted noexec, and at SELinux.",
                command!("chmod 755 {}; findmnt -T {}; getenforce", program, program),
            )
        } else {
            let new = format!("{program}.new");
            let from = if rke2 {
                "https://github.com/rancher/rke2/releases/download/VERSION/rke2.linux-amd64"
            } else {
                "https://github.com/k3s-io/k3s/releases/download/VERSION/k3s"
            };
            finding
                .check_first(
                    "Fetch the program of that version beside the broken one, and see that it runs here. Other CPUs have a file of their own (k3s-arm64, rke2.linux-arm64); a + in the version is %2B.",
                    command!("curl -fLo {} {} && chmod 755 {} && {} --version", new, from, new, new),
                )
                .check_first(
                    "Put it in its place, and start the unit.",
                    command!("mv {} {} && systemctl restart {}", new, program, unit),
                )
        };
        out.push(finding);
    }
}
