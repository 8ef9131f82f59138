//! Words about tokens, and whether a restore was asked for: the same words mean another token then.
//!
//! Deliberately absent: the tokens themselves; they are secrets and never read.

use defib_model::Evidence;
use defib_model::fact::Value;

use super::host::Told;
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

/// A process of k3s that a transcript starts.
fn starts(words: &[String]) -> bool {
    let has = |w: &str| words.iter().any(|x| x.rsplit('/').next() == Some(w));
    (has("k3s") || has("rke2") || has("sh")) && (has("server") || has("agent"))
        || has("systemctl") && (has("start") || has("restart"))
}

/// Does this line come from a restore of a snapshot? With what shows it. A restore that came to its end,
/// and a start behind it, are another process: its token is that of the cluster.
pub fn restored(cx: &Context<'_>, line: &Told<'_>) -> Option<Vec<Evidence>> {
    let done = line.last_heard(cx, "k3s.reset-done").map(|(at, _)| at);
    let mut out: Vec<Evidence> = Vec::new();
    if let Some((at, hit)) = line.last_heard(cx, "k3s.pre-restore")
        && done.is_none_or(|d| d < at)
    {
        out.push(cx.log(hit, 0, "a snapshot is restored"));
    }
    let asks = |w: &str| w.contains("cluster-reset-restore-path");
    let asked = |v: &Value| match v {
        Value::Setting { name, place, .. } => asks(name) && place.starts_with("flag of"),
        Value::Ran(words) => words.iter().any(|w| asks(w)),
        _ => false,
    };
    let begins = |v: &Value| matches!(v, Value::Ran(words) if starts(words));
    // In one transcript the last start ahead of the line is the one that says it.
    let own = line.last_fact(cx, |v| asked(v) || begins(v));
    let fact = own.and_then(|f| {
        cx.cluster
            .facts
            .iter()
            .filter(|o| o.entry == f.entry && o.line == f.line)
            .find(|o| asked(&o.value) && done.is_none_or(|d| d < o.line))
    });
    out.extend(fact.map(|f| cx.fact(f, "a snapshot is restored")));
    (!out.is_empty()).then_some(out)
}
