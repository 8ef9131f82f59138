//! A drain that does not come to its end.
//! Deliberately absent: the pods for which its node is missing; `placement` says whether a cordoned one is.

use super::said::{Said, is_ended, said};
use crate::context::Context;

/// Refusals of evictions that no end of the drain follows.
pub fn hanging(cx: &Context<'_>) -> Vec<Said> {
    let mut all = said(
        cx,
        "would violate the pod's disruption budget",
        "apiserver.eviction-blocked",
        "the eviction is refused for a disruption budget",
    );
    all.retain(|s| !is_ended(cx, &s.evidence, &["kubectl.drained"]));
    all
}
