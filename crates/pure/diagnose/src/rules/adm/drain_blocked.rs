//! # ADM017 An upgrade waits on a drain that a disruption budget blocks
//!
//! class: upgrade-blocked-by-drain
//!
//! ## What it sees
//! `Cannot evict pod as it would violate the pod's disruption budget` in a drain's log or events, for
//! an upgrade by the system-upgrade-controller or by hand. Pods that wait for room while the scheduler counts a cordoned
//! node wait for the same.
//!
//! ## Why it matters
//! The drain tries again for ever. The node stays cordoned, and the upgrade of every other node waits.
//!
//! ## What to do
//! See which budget allows no disruption: a single replica with minAvailable 1, or pods that are not
//! ready. Add a replica, get them ready, or loosen the budget for the time of the upgrade.
//!
//! ## What not to do
//! Do not force the drain with `--disable-eviction`: the budget may be all that protects a quorum.

use crate::analysis::drain::Drain;
use crate::analysis::placement;
use crate::analysis::scheduling::Reason;
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM017",
    class: "upgrade-blocked-by-drain",
    needs: &["PodDisruptionBudget"],
    leads_to: &[K::PodPending],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let Some(drain) = Drain::hanging(cx) else {
        return;
    };
    let mut f = RULE
        .on(EntityId::other("drain", "cluster"))
        .title("a drain can't finish, because a disruption budget allows no eviction")
        .why("The node stays cordoned and the upgrade waits for it, without an end.")
        .term(80, "the eviction is refused for a disruption budget")
        .cite_all(drain.refused.iter().take(3).map(|s| s.evidence.clone()));
    for b in &cx.cluster.budgets {
        if b.status.disruptions_allowed == Some(0) {
            f = f
                .term(
                    5,
                    format!(
                        "budget {}/{} allows no disruption",
                        b.metadata.namespace, b.metadata.name
                    ),
                )
                .cite(cx.field(
                    b.obj,
                    "/status/disruptionsAllowed",
                    "no pod of this budget may go now",
                ));
        }
    }
    // What its node would have room for.
    for p in placement::all(cx).iter().filter(|p| drain.keeps(p)) {
        if matches!(p.reason, Reason::Cordoned | Reason::Insufficient(_)) {
            f = f.cite(p.said.clone()).explains(K::PodPending, &p.id);
        }
    }
    out.push(
        f.safe("See which budgets allow nothing.", "kubectl get pdb -A")
            .check_first("Add a replica, get its pods ready, or loosen the budget for the time of the upgrade.", "kubectl edit pdb NAME -n NAMESPACE")
            .check_first("If the upgrade is given up: let the node take pods again.", "kubectl uncordon NODE")
            .dont("Don't force the drain with --disable-eviction: the budget may be all that protects a quorum."),
    );
}
