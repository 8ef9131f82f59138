//! # ETC017 Files on disk and the bootstrap record disagree
//!
//! class: bootstrap-data-conflict
//!
//! ## What it sees
//! `… newer than datastore and could cause a cluster outage. Remove the file(s) from disk`: k3s names
//! the files.
//!
//! ## Why it matters
//! k3s refuses to start rather than to hand a changed CA to the cluster. Restored `tls` folders (copied
//! without their times), hand-made edits and two mixed clusters lead here.
//!
//! ## What to do
//! Move the named files aside, keep the copy, and start: they come back from the datastore.
//!
//! ## What not to do
//! Do not delete the whole `tls` folder, and do not change the files' times to get past the check.

use defib_model::fact::Value;

use crate::analysis::host::{self, TROUBLES, called, facts_anywhere, quotes};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ETC017",
    class: "bootstrap-data-conflict",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    out.extend(stored(cx));
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.bootstrap-newer"],
        "files on disk are newer than the cluster's record of them",
    )) {
        out.push(
            RULE.on(host.clone())
                .title(format!("CA or key files on {} are not those of the cluster's bootstrap record", called(&host)))
                .why("k3s refuses to start rather than to change the cluster's CA under it.")
                .term(92, "k3s names the files")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host)
                .safe("Keep a copy.", "cp -a /var/lib/rancher/k3s/server/tls /root/tls-before")
                .check_first("Move the files that it names aside, and start: the datastore's come back.", "mkdir -p /root/newer && mv FILE /root/newer/ && systemctl restart k3s")
                .dont("Don't delete the whole tls folder.")
                .dont("Don't set the files' times back to get past the check: if their content is foreign, the cluster breaks."),
        );
    }
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.no-bootstrap-data"],
        "the datastore has no bootstrap record",
    )) {
        out.push(
            RULE.on(host.clone())
                .title(format!("the datastore on {} holds no bootstrap record", called(&host)))
                .why("Without it k3s has no keys to go on with; on a new cluster the first start was cut off, on an old one the data is not its own.")
                .term(45, "k3s finds none")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host)
                .undecided(
                    "Was this server just made, or does it hold a cluster? (A wrong token has another message.)",
                    "ls -l --time-style=full-iso /var/lib/rancher/k3s/server/db/etcd/member/snap /var/lib/rancher/k3s/server/tls",
                    &["bootstrap-data-conflict", "stale-data-dir", "token-mismatch"],
                ),
        );
    }
}

/// Files that differ from the record. Those that are older are replaced at the next start, those that are newer
/// end it; times of a copy say neither.
fn stored(cx: &Context<'_>) -> Option<Finding> {
    let files: Vec<_> = facts_anywhere(cx, |v| match v {
        Value::BootstrapDiffers(file) => Some(file.as_str()),
        _ => None,
    })
    .collect();
    let (_, first) = files.first()?;
    let cited = files
        .iter()
        .map(|(fact, _)| cx.fact(fact, "its content is not the one of the record"));
    Some(
        RULE.on(crate::analysis::etcd::entity())
            .title(format!("{} files on disk are not those of the bootstrap record, such as {first}", files.len()))
            .why("k3s replaces those that are older than the record, and refuses to start over those that are newer.")
            .term(55, "they were compared byte by byte")
            .cite_all(cited)
            .undecided(
                "Are the files on disk newer than the record?",
                "defib inspect bootstrap DATA-DIRECTORY --token-file DATA-DIRECTORY/server/token",
                &["bootstrap-data-conflict"],
            ),
    )
}
