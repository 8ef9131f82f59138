//! # STO013 An attachment to a node that is gone blocks the volume
//!
//! class: stale-volume-attachment
//!
//! ## What it sees
//! A pod whose volume can not be attached (`Multi-Attach error`), and a VolumeAttachment of that
//! volume to a node that does not exist any more or is not Ready.
//!
//! ## Why it matters
//! A volume for one node is given to the next only when the first has let go. A node that died does
//! not let go, and the controller waits: six minutes where it may force, for ever where it may not.
//!
//! ## What to do
//! Make sure that the old machine is off. Then mark it out of service, or delete its Node object
//! (not of an etcd server); the controller detaches the volume by itself.
//!
//! ## What not to do
//! Do not delete the VolumeAttachment, nor take its finalizer away, while the old machine may still
//! run: two nodes then write to one file system.

use crate::analysis::attach::{self, Answer};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "STO013",
    class: "stale-volume-attachment",
    needs: &["Event", "VolumeAttachment"],
    leads_to: &[K::VolumeMountFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for case in attach::cases(cx) {
        let volume = case.volume.clone().unwrap_or_default();
        let finding = RULE
            .on(if volume.is_empty() { case.pod.clone() } else { EntityId::object("PersistentVolume", "", "", &volume) })
            .why("The volume is for one node at a time, and the first has not let go.")
            .cite_all(case.words.iter().take(2).cloned())
            .explains(K::VolumeMountFailing, &case.pod)
            .safe("Who holds it?", "kubectl get volumeattachments -o wide; kubectl get nodes")
            .dont("Don't delete the VolumeAttachment while the old machine may still run: two nodes would write to one file system.");
        match &case.answer {
            Answer::DeadNode { node, attachment, evidence } => {
                let mut finding = finding
                    .title(format!("volume {volume} is still attached to node {node}, which is gone or silent"))
                    .term(70, "the volume can't be attached a second time")
                    .term(
                        if attachment.is_some() { 20 } else { 12 },
                        match attachment {
                            Some(_) => format!("its present attachment is to node {node}"),
                            None => format!("no pod uses it on the node that has it, and {node} is the one that is silent"),
                        },
                    );
                finding = finding.cite_all(evidence.clone());
                if let Some(a) = attachment {
                    finding = finding.check_first("When the machine is off, delete its Node object, or mark it out of service.", command!("kubectl taint node {} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute; kubectl get volumeattachment {}", node, a));
                }
                out.push(finding);
            }
            Answer::Unknown => out.push(
                finding
                    .title(format!("volume {volume} is attached to another node"))
                    .term(40, "the volume can't be attached a second time")
                    .undecided(
                        "Is the node that holds the volume alive, and does a pod there still use it?",
                        "kubectl get volumeattachments -o wide; kubectl get nodes; kubectl get pods -A -o wide",
                        &["stale-volume-attachment", "rwo-volume-rolling-update"],
                    ),
            ),
            Answer::LivingPod { .. } => {}
        }
    }
}
