//! # GIT003 The Git host refuses the stored credentials
//!
//! class: flux-git-auth-rejected
//!
//! ## What it sees
//! A GitRepository that is not ready, or the source-controller's log, with `authentication required`,
//! `authorization failed`, `unable to authenticate` or `invalid credentials`.
//!
//! ## Why it matters
//! The cluster keeps its last state and looks well; nothing new arrives any more, and a rebuild gets
//! nothing at all.
//!
//! ## What to do
//! See whether the token expired or the deploy key was removed; put a new one into the Secret of
//! `spec.secretRef`.
//!
//! ## What not to do
//! Do not make the repository public, and do not put the token into the URL.

use crate::analysis::gitops;
use crate::analysis::said::{claim, past, said, subject};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT003",
    class: "flux-git-auth-rejected",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

/// What a Git host's refusal looks like. Sources: go-git `plumbing/transport/common.go`
/// (ErrAuthenticationRequired, ErrAuthorizationFailed), `golang.org/x/crypto/ssh`, libgit2.
const WORDS: &[&str] = &[
    "authentication required",
    "authorization failed",
    "unable to authenticate",
    "invalid credentials",
    "could not read Username",
    "Authentication failed",
    "Permission denied (publickey",
    "remote authentication required but no callback set",
];

fn finding(id: EntityId, name: &str) -> Finding {
    RULE.on(id)
        .title(format!("the Git host refuses the credentials of {name}"))
        .why("The cluster keeps its last state, and nothing new arrives until the credentials are renewed.")
        .safe("See which Secret is used, and what the controller says.", "flux get sources git -A; kubectl get gitrepositories -A -o custom-columns=NAME:.metadata.name,SECRET:.spec.secretRef.name,URL:.spec.url")
        .check_first("Renew the token or deploy key and store it again.", "flux create secret git NAME --namespace=NAMESPACE --url=URL --username=git --password=TOKEN")
        .dont("Don't make the repository public, and don't put the token into the URL.")
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let mut seen = false;
    for r in gitops::not_ready(cx, "source.toolkit.fluxcd.io")
        .into_iter()
        .filter(|r| r.kind == "GitRepository")
    {
        let (i, c) = r.condition;
        if !WORDS.iter().any(|w| c.message.contains(w)) {
            continue;
        }
        seen = true;
        let mut f = finding(r.id.clone(), &format!("GitRepository {}", r.id.name()))
            .term(88, "the source itself says that the host refuses it")
            .cite(cx.field(
                r.obj,
                &format!("/status/conditions/{i}/message"),
                "what the Git host answered",
            ))
            .explains_if(cx, K::ResourceNotReady, &r.id);
        for event in cx
            .cluster
            .events_of(&r.id)
            .filter(|e| WORDS.iter().any(|w| e.message.contains(w)))
            .take(3)
        {
            f = f.cite(cx.event(event, "the same, as an event"));
        }
        out.push(f);
    }
    if seen {
        return;
    }
    for (words, signal) in [
        ("authentication required", "flux.git-auth-required"),
        ("unable to authenticate", "flux.git-auth-failed"),
    ] {
        for s in said(cx, words, signal, "what the Git host answered") {
            let id = match (&s.who, subject(&s.evidence.text)) {
                (Some(who), _) if who.kind() == "gitrepository" => who.clone(),
                (None, Some((ns, name))) => {
                    EntityId::object("GitRepository", "source.toolkit.fluxcd.io", &ns, &name)
                }
                (None, None) => EntityId::other("git-source", "unnamed"),
                _ => continue,
            };
            // Argo CD's parts talk gRPC with each other.
            if !past(cx, &id) && !s.evidence.text.contains("rpc error: code = ") {
                let name = id.name().to_owned();
                out.push(claim(
                    cx,
                    finding(id, &name).term(80, "the controller's own words"),
                    &[&s],
                ));
            }
        }
    }
}
