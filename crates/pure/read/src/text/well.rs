//! Rows that show nothing wrong. A row has no times and no conditions, so only what it shows as well counts so; of the
//! rest nobody can tell since when it is as it is.
//! Deliberately absent: what is wrong with the others; the rules know.

use defib_formats::text::Row;

/// Seconds for which events are kept, and after which a restart is not news (kube-apiserver `--event-ttl`: 1 h).
const HOUR: i64 = 3600;

/// A pod that is done, or whose containers all run and did not start anew of late.
pub(super) fn pod(row: &Row) -> bool {
    let all = row
        .get("READY")
        .split_once('/')
        .is_some_and(|(ready, total)| ready == total && ready != "0");
    // `3 (12m ago)`: kubectl since 1.24.
    let restarts = row.get("RESTARTS");
    let lately = restarts
        .split_once('(')
        .and_then(|(_, rest)| super::events::ago(rest))
        .is_some_and(|seconds| seconds < HOUR);
    match row.get("STATUS") {
        "Completed" => true,
        "Running" => all && !lately,
        _ => false,
    }
}

/// An event that tells of no trouble, or of one that is long over; a list of resolvers that is too long is none.
pub(super) fn event(warning: bool, reason: &str, ago: Option<i64>) -> bool {
    !warning || reason == "DNSConfigForming" || ago.is_some_and(|seconds| seconds > HOUR)
}
