//! # CRT004 A snapshot is restored with another token than it was taken under
//!
//! class: restore-wrong-token
//!
//! ## What it sees
//! A restore that k3s refuses because it was given no token and the data directory has none;
//! `bootstrap data already found and encrypted with different token`, or a record that can't be
//! decrypted, in a start that was asked to restore a snapshot.
//!
//! ## Why it matters
//! The snapshot holds the cluster's keys encrypted with the token of its time. Without that token the
//! restore ends after the database was already put back.
//!
//! ## What to do
//! Find the token that was in force when the snapshot was taken (its backup, a password store,
//! `server/token` of the old machine) and restore with `--token`.
//!
//! ## What not to do
//! Do not generate a new token, and do not delete `db/etcd-old-*`: it is the state from before.

use crate::analysis::host::{self, TROUBLES, called, quotes};
use crate::analysis::token;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "CRT004",
    class: "restore-wrong-token",
    needs: &[],
    leads_to: &[K::ServiceFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (host, lines) in host::by_host(host::lines(
        cx,
        &["k3s.restore-without-token"],
        "no token was given, and none is on the disk",
    )) {
        out.push(
            about(&host)
                .title(format!(
                    "the snapshot is restored on {} without the token that it was taken under",
                    called(&host)
                ))
                .term(88, "k3s asks for the token")
                .cite_all(quotes(&lines))
                .explains_observed(cx, TROUBLES, &host),
        );
    }
    for (host, lines) in host::by_host(host::lines(
        cx,
        token::RECORD,
        "the snapshot's keys are encrypted with another token",
    )) {
        let lines: Vec<_> = lines
            .into_iter()
            .filter(|l| token::restored(cx, l).is_some())
            .collect();
        let Some(asked) = lines.first().and_then(|l| token::restored(cx, l)) else {
            continue;
        };
        out.push(
            about(&host)
                .title(format!(
                    "the snapshot restored on {} was taken under another token",
                    called(&host)
                ))
                .term(88, "a restore was asked for, and the record does not open")
                .cite_all(quotes(&lines))
                .cite_all(asked)
                .explains_observed(cx, TROUBLES, &host),
        );
    }
}

fn about(host: &EntityId) -> Finding {
    RULE.on(host.clone())
                .why("The cluster's keys in it can only be read with the token of its time.")
                .safe("Does a token fit? These twelve characters must be the ones of the snapshot's /bootstrap/ key.", "printf %s \"$TOKEN_PASSWORD\" | sha256sum | cut -c1-12")
                .check_first("Restore with the token of that time.", "k3s server --cluster-reset --cluster-reset-restore-path=SNAPSHOT --token=OLD")
                .dont("Don't make a new token: nothing can be read with it.")
                .dont("Don't delete db/etcd-old-*: it is the state from before the restore.")
}
