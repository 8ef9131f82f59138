//! # GIT006 The Git host's SSH key is not the recorded one
//!
//! class: git-host-key-changed
//!
//! ## What it sees
//! `knownhosts: key mismatch` (or OpenSSH's own warning) from a GitOps controller or client. OpenSSH warns everybody
//! alike: without a word of Git beside it, it is somebody's login to a machine.
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

use crate::analysis::host;
use crate::analysis::said::{claim, said};
use crate::rules::prelude::*;
use defib_model::Evidence;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT006",
    class: "git-host-key-changed",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

/// Programs and words of Git.
const GIT: &[&str] = &["git", "flux", "argo"];

/// Does the line, the command ahead of it, or what else was said in that file speak of Git?
fn is_git(cx: &Context<'_>, said: &Evidence) -> bool {
    let has = |text: &str| {
        let low = text.to_ascii_lowercase();
        GIT.iter().any(|w| low.contains(w))
    };
    let here = |entry: u32| {
        let at = cx.cluster.entries.get(entry as usize);
        at.is_some_and(|e| e.id == said.file && e.source == said.source)
    };
    let ran = host::facts_anywhere(cx, |v| match v {
        Value::Ran(words) => Some(words),
        _ => None,
    });
    let ran = ran.filter(|(f, _)| here(f.entry) && f.line <= said.line);
    let asked = ran.max_by_key(|(f, _)| f.line);
    has(&said.text)
        || asked.is_some_and(|(_, words)| has(&words.join(" ")))
        || cx.heard().any(|h| {
            h.signal.starts_with("git.") && h.signal != "git.host-key-changed" && here(h.entry)
        })
}

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
            if signal == "git.host-key-changed"
                && s.who.is_none()
                && s.speaker.is_none()
                && !is_git(cx, &s.evidence)
            {
                continue;
            }
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
