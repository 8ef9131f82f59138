//! # IMG001 The image reference is wrong
//!
//! class: image-name-wrong
//!
//! ## What it sees
//! A registry that has no such repository or tag, a reference that does not parse, or one that somebody
//! meant to replace.
//!
//! ## Why it matters
//! The kubelet tries again for ever, with growing pauses, and never succeeds.
//!
//! ## What to do
//! Correct the reference where the workload is defined; `crane ls REPOSITORY` lists the tags there are.
//!
//! ## What not to do
//! Do not delete the pod: the next one asks for the same image.

use crate::analysis::called::called;
use crate::analysis::image::{self, Why};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "IMG001",
    class: "image-name-wrong",
    needs: &["Pod"],
    leads_to: &[K::ImagePullFailing],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for pull in image::pulls(cx)
        .into_iter()
        .filter(|p| matches!(p.why, Why::Name | Why::NameOrAuth))
    {
        let owner = cx.top_owner(&pull.pod);
        let (ns, name) = (
            pull.pod.namespace().unwrap_or_default().to_owned(),
            &pull.image.written,
        );
        let mut finding = RULE
            .on(owner.clone())
            .key(name.clone())
            .title(format!(
                "the image {name} of {} does not exist under that name",
                called(&owner)
            ))
            .why("Trying again changes nothing: nothing goes by that name.")
            .term(pull.points, pull.because.clone())
            .cite_all(pull.evidence)
            .explains_observed(cx, &[K::ImagePullFailing], &pull.pod)
            .safe(
                "See which tags the registry has.",
                command!("crane ls {}/{}", pull.image.host, pull.image.repository),
            )
            .check_first(
                "Correct the reference.",
                command!("kubectl edit {} {} -n {}", owner.kind(), owner.name(), ns),
            )
            .dont("Don't delete the pod: the next one asks for the same image.");
        if pull.why == Why::NameOrAuth {
            finding = finding.undecided(
                format!(
                    "Is {name} misspelt, or private? Docker Hub gives the same answer for both."
                ),
                command!("docker login && docker manifest inspect {}", name),
                &["image-name-wrong", "image-pull-auth"],
            );
        }
        out.push(finding);
    }
}
