//! # IMG004 The image is built for another CPU
//!
//! class: image-wrong-architecture
//!
//! ## What it sees
//! A registry without a manifest for the node's platform, or a program that the kernel refuses with
//! `exec format error`.
//!
//! ## Why it matters
//! It happens when the first arm64 node joins an amd64 cluster: the same pod runs on one node and
//! crashes on the other.
//!
//! ## What to do
//! Build the image for both (`docker buildx build --platform linux/amd64,linux/arm64`), or keep the pod
//! on fitting nodes with `nodeSelector: {kubernetes.io/arch: …}`.
//!
//! ## What not to do
//! Do not look for the fault in the program: it never ran. A script without `#!` line gives the same error.

use crate::analysis::between;
use crate::analysis::called::called;
use crate::analysis::host;
use crate::analysis::image::{self, Why};
use crate::analysis::kubelet_words::{loose, said};
use crate::command::Command;
use crate::rules::prelude::*;
use defib_model::Evidence;
use defib_model::fact::Value;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG004",
    class: "image-wrong-architecture",
    needs: &["Pod"],
    leads_to: &[
        K::ImagePullFailing,
        K::ContainerCrashLoop,
        K::ContainerStartError,
    ],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    alone(cx, out);
    for pull in image::pulls(cx)
        .into_iter()
        .filter(|p| p.why == Why::Platform)
    {
        let finding = found(cx, &pull.pod, &pull.image.written)
            .term(pull.points, pull.because.clone())
            .cite_all(pull.evidence)
            .explains_observed(cx, &[K::ImagePullFailing], &pull.pod);
        out.push(with_node(cx, &pull.pod, finding));
    }
    for kind in [K::ContainerCrashLoop, K::ContainerStartError] {
        for c in cx.all(kind) {
            let mut words: Vec<(String, Evidence)> = Vec::new();
            for hit in cx.hits_of(&c.entity, "app.exec-format-error") {
                for (i, line) in hit.lines.iter().enumerate() {
                    words.push((
                        line.text.clone(),
                        cx.log(hit, i, "the kernel refuses to run the program"),
                    ));
                }
            }
            for s in said(
                cx,
                &c.entity,
                &["Failed"],
                "the kernel refuses to run the program",
            ) {
                if s.text.contains("exec format error") {
                    words.push((s.text, s.evidence));
                }
            }
            let Some((text, _)) = words.first() else {
                continue;
            };
            let script = script(text);
            let image = cx
                .cluster
                .pod(&c.entity)
                .and_then(|p| {
                    p.spec
                        .all_containers()
                        .find(|(_, s)| c.part.is_empty() || s.name == c.part)
                        .map(|(_, s)| s.image.clone())
                })
                .unwrap_or_default();
            let mut finding = found(cx, &c.entity, &image)
                .term(
                    if script { 45 } else { 85 },
                    "the kernel does not know the format of the program",
                )
                .cite_all(words.into_iter().map(|w| w.1))
                .explains(kind, &c.entity);
            if script {
                finding = finding.undecided(
                    "Is the image built for another CPU, or does the script lack its #! line?",
                    platforms(&image),
                    &["image-wrong-architecture"],
                );
            }
            out.push(with_node(cx, &c.entity, finding));
        }
    }
}

/// A log by itself, without the pod that wrote it.
fn alone(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for m in loose(
        cx,
        "app.exec-format-error",
        "the kernel refuses to run the program",
    ) {
        let arm = arm(cx);
        if let (true, Some(kernel)) = (script(&m.text), &arm) {
            out.push(
                found(cx, &m.pod, "")
                    .term(68, "the kernel does not know the format of the program, and its machine is an ARM, for which fewer images are built")
                    .cite(m.evidence)
                    .cite(kernel.clone()),
            );
        } else if m.text.contains("exec user process caused") || !script(&m.text) {
            out.push(
                found(cx, &m.pod, "")
                    .term(76, "the kernel does not know the format of the program")
                    .cite(m.evidence),
            );
        } else {
            out.push(
                found(cx, &m.pod, "")
                    .term(45, "the kernel does not know the format of the program")
                    .cite(m.evidence)
                    .undecided(
                        "Is the image built for another CPU, or does the script lack its #! line?",
                        platforms(""),
                        &[RULE.class],
                    ),
            );
        }
    }
}

/// The kernel of a machine with an ARM's CPU, where `uname` shows one.
fn arm(cx: &Context<'_>) -> Option<Evidence> {
    host::facts(cx, |v| matches!(v, Value::Kernel(_)).then_some(()))
        .find(|(f, ())| {
            ["aarch64", "armv7l", "armv6l", "arm64"]
                .iter()
                .any(|a| f.text.contains(a))
        })
        .map(|(f, ())| cx.fact(f, "the machine's CPU"))
}

/// A script gives this error too, when it lacks its first line.
fn script(text: &str) -> bool {
    let program = between(text, "exec ", ": exec format error").unwrap_or(text);
    let program = program.trim_matches(['"', '\'', ' ']);
    [".sh", ".py", ".bash", ".pl"]
        .iter()
        .any(|end| program.ends_with(end))
}

/// The platforms of an image, which a log by itself does not name, beside those of the nodes.
fn platforms(image: &str) -> Command {
    let image = if image.is_empty() { "IMAGE" } else { image };
    command!(
        "crane manifest {}; kubectl get nodes -L kubernetes.io/arch",
        image
    )
}

fn found(cx: &Context<'_>, pod: &EntityId, image: &str) -> Finding {
    let owner = cx.top_owner(pod);
    let ns = pod.namespace().unwrap_or_default();
    RULE.on(owner.clone())
        .title(format!(
            "the image{} of {} is not built for the CPU of the node",
            if image.is_empty() {
                String::new()
            } else {
                format!(" {image}")
            },
            called(&owner)
        ))
        .why("The program never ran; its log holds nothing but the refusal.")
        .safe(
            "Compare the platforms of the image with the nodes.",
            platforms(image),
        )
        .check_first(
            "Build it for this platform too, or keep the pod on nodes that fit.",
            command!("kubectl edit {} {} -n {}", owner.kind(), owner.name(), ns),
        )
        .dont("Don't look for the fault in the program's configuration: it was never read.")
}

fn with_node(cx: &Context<'_>, pod: &EntityId, finding: Finding) -> Finding {
    let node = cx
        .cluster
        .pod(pod)
        .and_then(|p| cx.cluster.node(&p.spec.node_name));
    match node.filter(|n| !n.status.node_info.architecture.is_empty()) {
        Some(n) => finding
            .term(
                8,
                format!(
                    "node {} is {}",
                    n.metadata.name, n.status.node_info.architecture
                ),
            )
            .cite(cx.field(
                n.obj,
                "/status/nodeInfo/architecture",
                "the platform of the node",
            )),
        None => finding,
    }
}
