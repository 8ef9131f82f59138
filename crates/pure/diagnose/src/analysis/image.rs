//! Why an image can't be pulled: one verdict for each container that waits for one.
//!
//! Sources of the texts: kubernetes `pkg/kubelet/images/{types,image_manager}.go`; containerd
//! `core/remotes/docker/{resolver,authorizer}.go` and `core/remotes/errors`; the distribution
//! specification's error codes; Go `crypto/x509/verify.go` and `net/http/client.go`.
//! Deliberately absent: what a registry would answer now.

use std::collections::BTreeMap;

use defib_model::ConditionKind as K;
use defib_model::Evidence;
use defib_model::id::EntityId;
use defib_model::views::Pod;

use super::kubelet_words::{loose, said};
use crate::context::Context;

/// An image reference in its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// As written.
    pub written: String,
    /// The registry; `docker.io` when none is written.
    pub host: String,
    /// The repository; with `library/` where Docker Hub adds it.
    pub repository: String,
}

/// Why a container has no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The pull policy forbids to pull, and the node has no such image.
    NotPresent,
    /// The reference is wrong: no such thing, or no valid reference at all.
    Name,
    /// The registry has it, but not for this node's architecture.
    Platform,
    /// The registry throttles.
    RateLimit,
    /// The registry wants (other) credentials.
    Auth,
    /// Denied: there is no such repository, or it wants credentials; nothing decides.
    NameOrAuth,
    /// The registry's certificate is not acceptable to anybody.
    Certificate,
    /// This node lacks the settings that another node has.
    NodeSettings,
    /// No node is known to have settings that work (unknown CA, or HTTP where HTTPS is expected).
    Settings,
    /// The certificate is not valid yet, by this node's clock.
    NotYetValid,
    /// The registry can't be reached or its name not be resolved.
    Unreachable,
    /// A mirror that is asked instead of the registry can't be reached.
    Mirror,
}

/// One container without its image.
#[derive(Clone, Debug)]
pub struct Pull {
    /// The pod.
    pub pod: EntityId,
    /// The image.
    pub image: Image,
    /// The verdict.
    pub why: Why,
    /// What decided beyond the message, in words.
    pub because: String,
    /// The mirror that was asked; empty unless that is why.
    pub mirror: String,
    /// Points of the confidence.
    pub points: i32,
    /// What shows it, best first.
    pub evidence: Vec<Evidence>,
}

/// Takes a reference apart as containerd's and Docker's reference parsers do: a first part with a dot
/// or a colon, or `localhost`, is the registry. Source: distribution/reference `normalize.go`.
pub fn parse(written: &str) -> Image {
    let (host, rest) = match written.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", written),
    };
    let rest = rest.split('@').next().unwrap_or(rest);
    let repository = match rest.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => rest,
    };
    let hub = matches!(
        host,
        "docker.io" | "index.docker.io" | "registry-1.docker.io"
    );
    let repository = if hub && !repository.contains('/') {
        format!("library/{repository}")
    } else {
        repository.to_owned()
    };
    Image {
        written: written.to_owned(),
        host: if hub {
            "docker.io".to_owned()
        } else {
            host.to_owned()
        },
        repository,
    }
}

/// Does a container run from an image of this registry? Then whatever its settings are, they do.
pub fn works(cx: &Context<'_>, registry: &str) -> bool {
    cx.cluster.pods.iter().any(|p| {
        p.statuses().any(|(_, s)| s.state.running.is_some())
            && p.spec.all_containers().any(|(_, c)| {
                super::registry::bare(&parse(&c.image).host) == super::registry::bare(registry)
            })
    })
}

/// The reference that a message of the kubelet names.
fn reference(message: &str) -> Option<&str> {
    ["image \"", "image tag \"", "image name \""]
        .iter()
        .find_map(|mark| super::between(message, mark, "\""))
}

/// The registry, as an error names it where the image was left out.
fn host_said(message: &str) -> Option<&str> {
    let word = |rest: &'_ str| -> usize {
        rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':')))
            .unwrap_or(rest.len())
    };
    [
        "wanted to match ",
        "valid for any names, but wanted ",
        "https://",
        "lookup ",
    ]
    .iter()
    .find_map(|mark| {
        let (_, rest) = message.split_once(mark)?;
        rest.get(..word(rest))
    })
    .map(|h| h.trim_end_matches([':', '.']))
    .filter(|h| h.contains('.') || h.contains(':'))
}

/// The host of a mirror that was asked and not reached: containerd names the registry itself behind `?ns=`.
/// Source: containerd `core/remotes/docker/resolver.go` (addNamespace).
pub fn mirror(message: &str) -> Option<&str> {
    let (head, rest) = message.split_once("?ns=")?;
    let url = head.rsplit_once("://")?.1;
    let host = url.split('/').next()?;
    let registry = rest.split(['"', '\\', '&', ' ']).next()?;
    let failed = rest.contains("dial tcp") || rest.contains("no such host");
    (failed && host != registry && !host.is_empty()).then_some(host)
}

/// A name that somebody meant to replace.
pub fn placeholder(written: &str) -> bool {
    // What was taken out of the evidence was no placeholder.
    let written = written.split("<redacted").next().unwrap_or(written);
    let low = written.to_ascii_lowercase();
    let words: Vec<&str> = low.split(['/', ':', '-', '_', '.', '@']).collect();
    written.contains(['<', '>', '{', '}', '$'])
        || words.iter().any(|w| {
            matches!(
                *w,
                "changeme"
                    | "placeholder"
                    | "fixme"
                    | "replaceme"
                    | "yourname"
                    | "yourusername"
                    | "yourrepo"
                    | "yourorg"
                    | "xxx"
            )
        })
        || words.windows(2).any(|w| {
            matches!(
                w,
                ["replace", "me"]
                    | ["change", "me"]
                    | ["your", _]
                    | ["example", "com" | "org" | "net" | "io"]
            )
        })
}

/// What one message says by itself; smaller is more specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    NeverPull,
    Invalid,
    Platform,
    RateLimit,
    CertExpired,
    NotYetValid,
    CertName,
    UnknownAuthority,
    PlainHttp,
    NoCredentials,
    HubDenied,
    Denied,
    Unreachable,
    NotFound,
}

fn word(message: &str) -> Option<Word> {
    let low = message.to_ascii_lowercase();
    let has = |s: &str| low.contains(s);
    Some(match () {
        () if has("is not present with pull policy of never") => Word::NeverPull,
        () if has("invalid reference format")
            || has("couldn't parse image name")
            || has("couldn't parse image reference")
            || has("invalidimagename") =>
        {
            Word::Invalid
        }
        () if has("no match for platform in manifest")
            || has("no matching manifest for linux/") =>
        {
            Word::Platform
        }
        () if has("toomanyrequests") || has("429 too many requests") => Word::RateLimit,
        () if has("x509:") && has("is before") => Word::NotYetValid,
        () if has("x509: certificate has expired") => Word::CertExpired,
        () if has("x509: certificate is valid for")
            || has("x509: cannot validate certificate for")
            || has("x509: certificate relies on legacy common name")
            || has("x509: certificate is not valid for any names") =>
        {
            Word::CertName
        }
        () if has("x509: certificate signed by unknown authority") => Word::UnknownAuthority,
        () if has("server gave http response to https client") => Word::PlainHttp,
        () if has("no basic auth credentials") => Word::NoCredentials,
        () if has("pull access denied") || has("insufficient_scope") => Word::HubDenied,
        () if has("401 unauthorized")
            || has("403 forbidden")
            || has("unauthorized:")
            || has(": denied")
            || has("denied:")
            || has("authentication required") =>
        {
            Word::Denied
        }
        () if has("dial tcp")
            || has("no such host")
            || has("i/o timeout")
            || has("tls handshake timeout")
            || has("connection reset by peer") =>
        {
            Word::Unreachable
        }
        () if has("manifest unknown")
            || has("name unknown")
            || has("repository not found")
            || has(": not found")
            || has("404 not found") =>
        {
            Word::NotFound
        }
        () => return None,
    })
}

/// All containers that wait for an image, with the verdict where there is one.
pub fn pulls(cx: &Context<'_>) -> Vec<Pull> {
    let mut out = Vec::new();
    for c in cx.all(K::ImagePullFailing) {
        let messages = said(
            cx,
            &c.entity,
            &["Failed", "BackOff", "InspectFailed", "ErrImageNeverPull"],
            "what came of the pull",
        );
        let pod = cx.cluster.pod(&c.entity);
        let waits = |name: &str| {
            pod.is_none_or(|p| {
                let mut statuses = p.statuses().peekable();
                // A manifest shows none of them.
                statuses.peek().is_none()
                    || statuses.any(|(_, s)| {
                        // Printed events do not say of which container they are.
                        (s.name == name || name.is_empty())
                            && s.ready != Some(true)
                            && s.state.running.is_none()
                            && s.state.terminated.is_none()
                    })
            })
        };
        let mut by_container: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for m in messages {
            let about_image = m.text.contains("image") || word(&m.text).is_some();
            if about_image && waits(&m.container) {
                by_container.entry(m.container.clone()).or_default().push(m);
            }
        }
        for (name, messages) in by_container {
            let spec = pod.and_then(|p| p.spec.all_containers().find(|(_, c)| c.name == name));
            let written = match &spec {
                Some((_, c)) => c.image.clone(),
                None => messages
                    .iter()
                    .find_map(|m| reference(&m.text))
                    .unwrap_or_default()
                    .to_owned(),
            };
            let mut image = parse(&written);
            if written.is_empty() {
                image.host = messages
                    .iter()
                    .find_map(|m| host_said(&m.text))
                    .unwrap_or("-")
                    .to_owned();
            }
            let asked = messages.iter().find_map(|m| mirror(&m.text));
            let asked = asked.unwrap_or_default().to_owned();
            let strongest = messages.iter().filter_map(|m| word(&m.text)).min();
            let Some((mut why, points, because)) = verdict(cx, pod, &image, strongest) else {
                continue;
            };
            if !asked.is_empty() && strongest == Some(Word::Unreachable) {
                why = Why::Mirror;
            }
            let (decisive, others): (Vec<_>, Vec<_>) = messages
                .into_iter()
                .partition(|m| word(&m.text) == strongest && strongest.is_some());
            let mut evidence: Vec<Evidence> = decisive.into_iter().map(|m| m.evidence).collect();
            if let (Some(pod), Some((path, _))) = (pod, &spec) {
                evidence.insert(
                    evidence.len().min(1),
                    cx.field(
                        pod.obj,
                        &format!("/spec/{path}/image"),
                        "the image that the pod asks for",
                    ),
                );
            }
            evidence.extend(others.into_iter().map(|m| m.evidence));
            evidence.dedup();
            out.push(Pull {
                pod: c.entity.clone(),
                image,
                why,
                because,
                mirror: asked,
                points,
                evidence,
            });
        }
    }
    for m in loose(cx, "said.pull-failed", "what came of the pull")
        .into_iter()
        .chain(loose(cx, "said.never-pull", "what came of the pull"))
    {
        let written = reference(&m.text).unwrap_or_default();
        let mut image = parse(written);
        if written.is_empty() {
            image.host = host_said(&m.text).unwrap_or("-").to_owned();
        }
        if let Some((mut why, points, because)) = verdict(cx, None, &image, word(&m.text)) {
            let asked = mirror(&m.text).unwrap_or_default().to_owned();
            if !asked.is_empty() && word(&m.text) == Some(Word::Unreachable) {
                why = Why::Mirror;
            }
            out.push(Pull {
                pod: m.pod,
                image,
                why,
                because,
                mirror: asked,
                points,
                evidence: vec![m.evidence],
            });
        }
    }
    out
}

fn verdict(
    cx: &Context<'_>,
    pod: Option<&Pod>,
    image: &Image,
    word: Option<Word>,
) -> Option<(Why, i32, String)> {
    let fake = placeholder(&image.written);
    let say = |why, points, because: &str| Some((why, points, because.to_owned()));
    match word {
        Some(Word::NeverPull) => return say(Why::NotPresent, 95, "the kubelet says so"),
        Some(Word::Invalid) => return say(Why::Name, 95, "it is no valid image reference"),
        Some(Word::Platform) => {
            return say(
                Why::Platform,
                92,
                "the registry has the image, but not for this node's platform",
            );
        }
        Some(Word::RateLimit) => return say(Why::RateLimit, 95, "the registry answers 429"),
        None if fake => return say(Why::Name, 75, "it is a name that was meant to be replaced"),
        None => return None,
        _ if fake => return say(Why::Name, 90, "it is a name that was meant to be replaced"),
        _ => {}
    }
    let elsewhere = runs_elsewhere(cx, pod, image);
    let secrets = pod.is_some_and(|p| !p.spec.image_pull_secrets.is_empty());
    match word? {
        // Where another node takes images from it, that node was told not to mind.
        Word::CertExpired | Word::CertName if elsewhere.host => say(
            Why::NodeSettings,
            82,
            "images of the same registry run on another node, and on this one none",
        ),
        Word::CertExpired => say(Why::Certificate, 85, "its certificate has expired"),
        Word::CertName => say(
            Why::Certificate,
            92,
            "its certificate does not carry the name that is called",
        ),
        Word::NotYetValid => say(
            Why::NotYetValid,
            50,
            "by this node's clock its certificate is not valid yet",
        ),
        Word::UnknownAuthority | Word::PlainHttp | Word::Unreachable if elsewhere.host => say(
            Why::NodeSettings,
            82,
            "images of the same registry run on another node, and on this one none",
        ),
        Word::UnknownAuthority => say(
            Why::Settings,
            50,
            "this node does not know the CA of the registry",
        ),
        Word::PlainHttp => say(
            Why::Settings,
            50,
            "this node speaks HTTPS to a registry that speaks plain HTTP",
        ),
        Word::Unreachable => say(Why::Unreachable, 45, "the registry did not answer"),
        Word::NotFound => say(Why::Name, 90, "the registry has no such repository or tag"),
        Word::NoCredentials => say(Why::Auth, 92, "no credentials were sent"),
        Word::HubDenied if image.host == "docker.io" => {
            if image.repository.starts_with("library/") {
                say(
                    Why::Name,
                    90,
                    "names without an owner are Docker Hub's own images: they are all public, so the name is wrong",
                )
            } else if pull_secret_missing(cx, pod) {
                say(
                    Why::Auth,
                    92,
                    "the pod's imagePullSecrets name a Secret that does not exist",
                )
            } else if elsewhere.repository {
                say(
                    Why::Auth,
                    85,
                    "the same repository runs elsewhere in the cluster, so it exists",
                )
            } else if secrets {
                say(
                    Why::Auth,
                    72,
                    "the pod brings imagePullSecrets, so the image is meant to be private (a wrong name gives the same answer)",
                )
            } else {
                say(
                    Why::NameOrAuth,
                    50,
                    "Docker Hub gives the same answer for a private repository and for one that does not exist",
                )
            }
        }
        Word::HubDenied | Word::Denied => {
            if pull_secret_missing(cx, pod) {
                say(
                    Why::Auth,
                    92,
                    "the pod's imagePullSecrets name a Secret that does not exist",
                )
            } else {
                say(
                    Why::Auth,
                    80,
                    "the registry refuses (some registries answer so for names that do not exist, too)",
                )
            }
        }
        Word::NeverPull | Word::Invalid | Word::Platform | Word::RateLimit => None,
    }
}

struct Elsewhere {
    host: bool,
    repository: bool,
}

/// Does an image of this registry (this repository) run on another node, while none runs here?
fn runs_elsewhere(cx: &Context<'_>, pod: Option<&Pod>, image: &Image) -> Elsewhere {
    let mut out = Elsewhere {
        host: false,
        repository: false,
    };
    let Some(here) = pod
        .map(|p| p.spec.node_name.as_str())
        .filter(|n| !n.is_empty())
    else {
        return out;
    };
    let mut host_here = false;
    for other in &cx.cluster.pods {
        for (_, c) in other.spec.all_containers() {
            let running = other
                .status
                .container_statuses
                .iter()
                .any(|s| s.name == c.name && s.state.running.is_some());
            if !running {
                continue;
            }
            let theirs = parse(&c.image);
            if theirs.host == image.host {
                out.repository |= theirs.repository == image.repository;
                if other.spec.node_name == here {
                    host_here = true;
                } else {
                    out.host = true;
                }
            }
        }
    }
    out.host &= !host_here;
    out
}

fn pull_secret_missing(cx: &Context<'_>, pod: Option<&Pod>) -> bool {
    pod.is_some_and(|p| {
        let ns = &p.metadata.namespace;
        cx.cluster.is_listed("Secret", ns)
            && !p.spec.image_pull_secrets.is_empty()
            && p.spec
                .image_pull_secrets
                .iter()
                .all(|s| !cx.cluster.has("Secret", "", ns, &s.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_apart() {
        let got = |s| {
            let i = parse(s);
            (i.host, i.repository)
        };
        assert_eq!(got("nginx:1"), ("docker.io".into(), "library/nginx".into()));
        assert_eq!(
            got("me/app@sha256:00"),
            ("docker.io".into(), "me/app".into())
        );
        assert_eq!(
            got("reg.lan:5000/a/b:2"),
            ("reg.lan:5000".into(), "a/b".into())
        );
    }

    #[test]
    fn placeholders_are_known_and_names_are_not() {
        for bad in [
            "your-registry/app:1",
            "registry.example.com/app",
            "<image>",
            "${IMAGE}",
            "REPLACE_ME",
            "changeme/app",
        ] {
            assert!(placeholder(bad), "{bad}");
        }
        for good in [
            "nginx:1.27",
            "ghcr.io/owner/tool:v1",
            "example/app",
            "docker.io/yourls:1",
            "docker.io/owner/secret:<redacted:named-value:6>",
        ] {
            assert!(!placeholder(good), "{good}");
        }
    }

    #[test]
    fn the_most_specific_word_wins() {
        let of = |s| word(s);
        assert_eq!(
            of(
                "failed to pull and unpack image \"docker.io/x/y:1\": no match for platform in manifest: not found"
            ),
            Some(Word::Platform)
        );
        assert_eq!(
            of("failed to resolve reference \"docker.io/x/y:1\": docker.io/x/y:1: not found"),
            Some(Word::NotFound)
        );
        assert_eq!(
            of(
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"
            ),
            Some(Word::HubDenied)
        );
        assert_eq!(of("Back-off pulling image \"a\""), None);
    }
}
