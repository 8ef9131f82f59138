//! # GIT006 The Git host's SSH key is not the recorded one
//!
//! class: git-host-key-changed
//!
//! ## What it sees
//! `knownhosts: key mismatch` (or OpenSSH's own warning) from a GitOps controller or client.
//!
//! ## Why it matters
//! Either the host changed its key, as hosting services do now and then, or somebody stands between.
//! Until the record is renewed nothing is fetched.
//!
//! ## What to do
//! Compare the new key with what the host publishes by another way; then renew `known_hosts` in the
//! Secret.
//!
//! ## What not to do
//! Do not turn host key checking off, and do not take the new key over without comparing it.

use crate::analysis::said::{claim, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT006",
    class: "git-host-key-changed",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for (words, signal) in [
        ("knownhosts: key mismatch", "git.host-key-mismatch"),
        (
            "hostkey could not be verified",
            "git.host-key-mismatch-flux",
        ),
        (
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
            "git.host-key-changed",
        ),
    ] {
        for s in said(cx, words, signal, "the host's key is not the recorded one") {
            let id = s
                .who
                .clone()
                .unwrap_or_else(|| EntityId::other("git-host", "ssh"));
            let f = RULE
                .on(id)
                .title("the Git host shows another SSH key than the recorded one")
                .why("Nothing is fetched until the record agrees with the host again.")
                .term(90, "the SSH client compared the two keys")
                .safe("Compare the host's key with what it publishes.", "ssh-keyscan HOST | ssh-keygen -lf -")
                .check_first("Then renew known_hosts in the source's Secret.", "flux create secret git NAME --namespace=NAMESPACE --url=ssh://git@HOST/REPO --private-key-file=KEY")
                .dont("Don't turn host key checking off, and don't take a key over without comparing it.");
            out.push(claim(cx, f, &[&s]));
        }
    }
}
