//! # STO013 An attachment to a node that is gone blocks the volume
//!
//! class: stale-volume-attachment
//!
//! ## What it sees
//! A pod whose volume can not be attached (`Multi-Attach error`), and a VolumeAttachment of that
//! volume to a node that does not exist any more or is not Ready. Or an attachment that is in deletion and that the
//! attacher's finalizer holds.
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
    if out.iter().any(|f| f.rule.code == RULE.code) {
        return;
    }
    // Detaching takes seconds; the attacher's mark holds the object until the driver has done it.
    for a in &cx.cluster.attachments {
        let meta = &a.metadata;
        let held = meta.finalizers.iter().any(|f| f.starts_with(ATTACHER));
        let age = cx.cluster.age_seconds(meta.deletion_timestamp);
        if meta.deletion_timestamp.is_none() || !held || age.is_some_and(|s| s < DETACH) {
            continue;
        }
        let node = &a.spec.node_name;
        let on = if node.is_empty() { "its node" } else { node };
        out.push(
            RULE.on(cx.cluster.id(a.obj))
                .title(format!("a volume is still attached to {on}: its VolumeAttachment is in deletion, and the driver does not let go"))
                .why("The volume is for one node at a time, and counts as attached until the driver says otherwise.")
                .term(68, "its deletion was asked for, and the attacher's finalizer holds it")
                .cite(cx.field(a.obj, "/metadata/deletionTimestamp", "its deletion was asked for"))
                .cite(cx.field(a.obj, "/metadata/finalizers", "the attacher has not let go"))
                .safe("What does the driver say of it, and is that node alive?", command!("kubectl get volumeattachment {} -o yaml; kubectl get nodes; kubectl logs -n kube-system -l app=csi-attacher --tail=50", meta.name))
                .dont("Don't take the finalizer off while the old machine may still run: two nodes would write to one file system."),
        );
    }
}

/// How the finalizer of the CSI attacher begins. Source: kubernetes-csi external-attacher `pkg/controller/util.go`.
const ATTACHER: &str = "external-attacher/";
/// Seconds that a detachment may take: as long as the controller waits before it forces one.
/// Source: kubernetes `pkg/controller/volume/attachdetach` (maxWaitForUnmountDuration, six minutes).
const DETACH: i64 = 360;
