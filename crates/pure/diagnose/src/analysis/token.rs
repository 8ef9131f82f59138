//! Words about tokens, and whether a restore was asked for: the same words mean another token then.
//!
//! Deliberately absent: the tokens themselves; they are secrets and never read.

use defib_model::Evidence;
use defib_model::fact::Value;
use defib_model::id::EntityId;

use super::host;
use crate::context::Context;

/// The bootstrap record does not open with the token.
pub const RECORD: &[&str] = &["k3s.bootstrap-token", "k3s.bootstrap-cipher"];

/// The token is wrong, in any way that k3s says it.
pub const WRONG: &[&str] = &[
    "k3s.bootstrap-token",
    "k3s.ca-hash",
    "k3s.not-authorized",
    "k3s.unauthorized",
    "k3s.credentials",
    "k3s.token-invalid",
    "k3s.token-format",
    "k3s.token-hash-length",
    "k3s.bootstrap-cipher",
];

/// Was a restore of a snapshot asked for on this host? With what shows it.
pub fn restores(cx: &Context<'_>, on: &EntityId) -> Option<Vec<Evidence>> {
    let mut out: Vec<Evidence> = Vec::new();
    let here = |h: &str| h.is_empty() || on.name() == "-" || h == on.name();
    for hit in cx.hits("k3s.pre-restore").filter(|h| here(&h.host)) {
        out.push(cx.log(hit, 0, "a snapshot is restored"));
    }
    for (fact, ()) in host::facts(cx, |v| match v {
        Value::Setting { name, .. } if name == "cluster-reset-restore-path" => Some(()),
        Value::Ran(words)
            if words
                .iter()
                .any(|w| w.contains("cluster-reset-restore-path")) =>
        {
            Some(())
        }
        _ => None,
    }) {
        if here(&fact.host) {
            let cited = cx.fact(fact, "a snapshot is restored");
            if !out
                .iter()
                .any(|e| e.file == cited.file && e.line == cited.line)
            {
                out.push(cited);
            }
        }
    }
    (!out.is_empty()).then_some(out)
}
