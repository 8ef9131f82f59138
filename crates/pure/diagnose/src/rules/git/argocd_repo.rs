//! # GIT007 No stored credential of Argo CD matches the repository
//!
//! class: argocd-repo-credentials-not-matched
//!
//! ## What it sees
//! An Application (or Argo CD's log) that can't read its repository: `authentication required` or
//! `Repository not found`, where no repository Secret has exactly the URL of `spec.source.repoURL`. Where a key was
//! offered and refused, it is a candidate only.
//!
//! ## Why it matters
//! Argo CD picks credentials by URL, as text: with or without `.git`, `ssh://` or `https://`, another
//! case or host name are other repositories, and Argo CD asks without credentials.
//!
//! ## What to do
//! Write the URL the same way in the Application and in the repository Secret (or use a credential
//! template with a common prefix).
//!
//! ## What not to do
//! Do not make the repository public to get on.

use crate::analysis::gitops;
use crate::analysis::said::{claim, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "GIT007",
    class: "argocd-repo-credentials-not-matched",
    needs: &[],
    leads_to: &[K::ResourceNotReady],
    check,
};

const WORDS: &[&str] = &[
    "authentication required",
    "Repository not found",
    "repository not found",
    "could not read Username",
    "unable to authenticate",
    "SSH_AUTH_SOCK not-specified",
];

/// Behind the repository in the address of a page: Bitbucket, GitHub, GitLab, Gitea.
const PAGES: &[&str] = &["/src/", "/tree/", "/blob/", "/-/", "/browse"];

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    let applications: Vec<_> = (cx.cluster.others.iter())
        .filter(|o| (cx.cluster.object(o.obj)).is_some_and(|o| o.kind == "Application"))
        .collect();
    let of = |words, signal| said(cx, words, signal, "Argo CD can't read the repository");
    let all = of("rpc error: code = ", "argocd.repo-credentials");
    let all = match all.is_empty() {
        true => of(
            "grpc.service=repository.RepoServerService",
            "argocd.repo-server",
        ),
        false => all,
    };
    for s in all {
        let about_app = s
            .who
            .as_ref()
            .is_none_or(|w| w.kind() == "application" || w.kind() == "appproject");
        // Image pulls and other gRPC services say the same of registries.
        let line = &s.evidence.text;
        let of_argo = s.who.is_some()
            || !applications.is_empty()
            || ["target state", "manifest", "ls-remote", "git ", "repo"]
                .iter()
                .any(|w| line.contains(w));
        if !about_app
            || !of_argo
            || line.contains("pull")
            || line.contains("image")
            || !WORDS.iter().any(|w| s.text.contains(w))
        {
            continue;
        }
        let id = s
            .who
            .clone()
            .or_else(|| match applications.as_slice() {
                [only] => Some(cx.cluster.id(only.obj)),
                _ => None,
            })
            .unwrap_or_else(|| EntityId::other("argocd", "repository"));
        let mut f = RULE
            .on(id.clone())
            .title(format!("Argo CD reads the repository of {} without matching credentials", id.name()))
            .why("Credentials are picked by the URL as it is written; a URL written differently has none.")
            .term(70, "the repository refuses a reader without credentials")
            .safe("Compare how the URLs are written.", "kubectl get secrets -n argocd -l argocd.argoproj.io/secret-type -o custom-columns=NAME:.metadata.name,TYPE:.metadata.labels; argocd repo list; kubectl get applications -A -o custom-columns=NAME:.metadata.name,URL:.spec.source.repoURL")
            .check_first("Write the URL the same way in both places.", "argocd repo add URL --username NAME --password TOKEN")
            .dont("Don't make the repository public to get on.");
        if let Some(o) = cx
            .cluster
            .others
            .iter()
            .find(|o| cx.cluster.id(o.obj) == id)
            && !gitops::text(&gitops::value(cx, o.obj), "/spec/source/repoURL").is_empty()
        {
            f = f
                .cite(cx.field(
                    o.obj,
                    "/spec/source/repoURL",
                    "the URL as the Application writes it",
                ))
                .term(5, "the Application names the URL");
            let value = gitops::value(cx, o.obj);
            let url = gitops::text(&value, "/spec/source/repoURL");
            if url.ends_with('/') || PAGES.iter().any(|page| url.contains(page)) {
                f = f.term(
                    10,
                    "it is written as a page's address, not as one to clone from",
                );
            }
        }
        // Somebody who offers a key has credentials; they are refused.
        if s.text.contains("attempted methods [none publickey") {
            f = f.undecided(
                "Is the key that Argo CD offers one of the repository's deploy keys, and are they for this URL?",
                "argocd repo list; kubectl get secrets -n argocd -l argocd.argoproj.io/secret-type=repository -o custom-columns=NAME:.metadata.name; ssh -T git@HOST",
                &["argocd-repo-credentials-not-matched"],
            );
        }
        out.push(claim(cx, f, &[&s]));
    }
}
