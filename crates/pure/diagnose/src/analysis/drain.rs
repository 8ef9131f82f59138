//! A drain that does not come to its end, and the pods that wait for its node.
//! Deliberately absent: cordons that nobody drains for.

use std::collections::BTreeSet;

use super::host;
use super::placement::Placement;
use super::said::{Said, is_ended, said};
use crate::context::Context;

/// A drain that hangs.
pub struct Drain {
    /// Refusals of evictions that no end of the drain follows, and no cordon that was taken back.
    pub refused: Vec<Said>,
    /// The node that it has cordoned may be the one that is missed.
    fits: bool,
}

impl Drain {
    /// The drain of the evidence, if one hangs.
    pub fn hanging(cx: &Context<'_>) -> Option<Self> {
        let mut refused = said(
            cx,
            "would violate the pod's disruption budget",
            "apiserver.eviction-blocked",
            "the eviction is refused for a disruption budget",
        );
        refused.retain(|s| !is_ended(cx, &s.evidence, &["kubectl.drained", "kubectl.uncordoned"]));
        if refused.is_empty() {
            return None;
        }
        let lines = host::lines(cx, &["kubectl.cordoned"], "");
        let names: BTreeSet<&str> = lines.iter().map(|l| l.group(0)).collect();
        let nodes = cx.cluster.nodes.iter();
        let cordoned: BTreeSet<&str> = nodes
            .filter(|n| n.spec.unschedulable == Some(true))
            .map(|n| n.metadata.name.as_str())
            .collect();
        // Where both are known, one has to be of both.
        let fits = names.is_empty() || cordoned.is_empty() || !names.is_disjoint(&cordoned);
        Some(Self { refused, fits })
    }

    /// Does this pod wait for the node? The scheduler counts a cordoned one among those that it leaves out.
    pub fn keeps(&self, p: &Placement<'_>) -> bool {
        self.fits && p.cordoned
    }
}
