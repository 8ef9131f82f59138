//! # HST014 Another process holds the port
//!
//! class: port-in-use
//!
//! ## What it sees
//! `listen tcp …: bind: address already in use` of a program that then ends, and the list of listeners
//! where there is one.
//!
//! ## Why it matters
//! The service can't start, and systemd starts it again every few seconds. On 6443, 6444, 2379, 2380 and
//! 10250 the holder is mostly a second k3s: an agent beside a server, or a process that outlived its stop.
//!
//! ## What to do
//! See who listens there, and stop the one that should not.
//!
//! ## What not to do
//! Do not run k3s-uninstall.sh to get rid of the holder: it deletes the data too.

use crate::analysis::host::{self, called};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "HST014",
    class: "port-in-use",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.port-taken"],
        "the kernel refuses the port: somebody has it",
    )) {
        let Some(first) = lines.first() else { continue };
        let port = first.line.groups.get(2).cloned().unwrap_or_default();
        out.push(
            RULE.on(host.clone())
                .key(port.clone())
                .title(format!(
                    "on {} another process holds port {port}",
                    called(&host)
                ))
                .why("The program ends at once, and systemd starts it again and again.")
                .term(90, "the kernel says so to the program that wants the port")
                .cite_all(lines.iter().map(|l| l.evidence.clone()))
                .explains_if(cx, K::ServiceFailing, &host)
                .safe(
                    "See who has it.",
                    command!("ss -ltnp 'sport = :{}'; systemctl list-units 'k3s*'", port),
                )
                .check_first(
                    "Stop what should not run (on a server, the agent's unit).",
                    "systemctl disable --now k3s-agent",
                )
                .dont("Don't run k3s-uninstall.sh for this: it deletes the data too."),
        );
    }
}
