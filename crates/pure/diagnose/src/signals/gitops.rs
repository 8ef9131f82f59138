//! Flux, Argo CD, Helm and sealed-secrets.
//!
//! Sources: fluxcd/source-controller, fluxcd/kustomize-controller, fluxcd/pkg, argoproj/argo-cd,
//! helm/helm, bitnami-labs/sealed-secrets. The first group is the message from its own words on.

use defib_model::signal::{Mark, Signal};

const fn row(
    id: &'static str,
    anchor: &'static str,
    pattern: &'static str,
    source: &'static str,
) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "GitOps controllers and clients",
        Mark::Cause,
        source,
    )
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    row(
        "helm.pending",
        "another operation (install/upgrade/rollback) is in progress",
        "",
        "helm: pkg/action/upgrade.go",
    ),
    row(
        "helm.wait-load-balancer",
        "Service does not have ",
        r"(Service does not have (?:load balancer ingress )?IP address: \S+)",
        "helm: pkg/kube/ready.go; pkg/kube/wait.go (before 3.5)",
    ),
    row(
        "helm.current-manifest",
        "unable to build kubernetes objects from current release manifest",
        r"(unable to build kubernetes objects from current release manifest.*)",
        "helm: pkg/action/upgrade.go",
    ),
    row(
        "flux.dependency",
        "dependency '",
        r"(dependency '\S+' is not ready)",
        "kustomize-controller: internal/controller/kustomization_controller.go",
    ),
    row(
        "flux.git-auth-required",
        "authentication required",
        r"(.*(?:failed to checkout|unable to clone|failed to list remote|unable to list remote|clone).*authentication required.*)",
        "go-git: plumbing/transport/common.go",
    ),
    row(
        "flux.git-auth-failed",
        "unable to authenticate",
        r"(.*(?:failed to checkout|unable to clone|failed to list remote|unable to list remote|clone|handshake).*unable to authenticate.*)",
        "golang.org/x/crypto/ssh/client_auth.go",
    ),
    row(
        "flux.sops-data-key",
        "cannot get sops data key",
        r"(.*cannot get sops data key.*)",
        "kustomize-controller: internal/decryptor/decryptor.go",
    ),
    // Of a sops that somebody calls by hand nothing of this stands ahead: it has the keys of that person.
    row(
        "flux.sops-user-error",
        "data key required to decrypt",
        r"(?i)(decrypt(?:ion failed|ing)?\b.*failed to get the data key required to decrypt the SOPS file.*)",
        "getsops/sops: usererrors.go",
    ),
    row(
        "flux.sops-secret-missing",
        "decryption ",
        r"(?i)((?:decryption secret error|cannot get decryption secret|failed to get decryption secret).*not found)",
        "kustomize-controller: internal/decryptor/decryptor.go; controllers/kustomization_decryptor.go (≤0.20)",
    ),
    row(
        "flux.sops-secret-named",
        "secrets ",
        r#"(secrets "sops-?(?:age|gpg|pgp)\S*" not found)"#,
        "kustomize-controller: internal/decryptor/decryptor.go",
    ),
    row(
        "helm.done",
        "Happy Helming!",
        r"(?:has been (?:upgraded|installed)\.|Rollback was a success!) Happy Helming!",
        "helm: cmd/helm/{upgrade,install,rollback}.go",
    ),
    row(
        "kubectl.drained",
        " drained",
        r"^node/\S+ drained$",
        "kubectl: pkg/cmd/drain/drain.go",
    ),
    row(
        "kubectl.cordoned",
        " cordoned",
        r"^node/(\S+) (?:already )?cordoned",
        "kubectl: pkg/cmd/drain/drain.go",
    ),
    row(
        "kubectl.uncordoned",
        " uncordoned",
        r"^node/\S+ uncordoned$",
        "kubectl: pkg/cmd/drain/drain.go",
    ),
    row(
        "sops.get-data-key",
        "Error getting data key: ",
        r"(Error getting data key: 0 successful groups required, got 0)",
        "getsops/sops: sops.go",
    ),
    row(
        "sops.age-identities",
        "identit",
        r"(age: no identit\S+ .*|failed to load age identities.*|failed to create reader for decrypting sops data key.*)",
        "getsops/sops: age/keysource.go; filippo.io/age",
    ),
    row(
        "git.host-key-mismatch",
        "knownhosts: key mismatch",
        r"(.*knownhosts: key mismatch.*)",
        "golang.org/x/crypto/ssh/knownhosts/knownhosts.go",
    ),
    row(
        "git.host-key-changed",
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "",
        "openssh: sshconnect.c",
    ),
    row(
        "git.host-key-mismatch-flux",
        "hostkey could not be verified",
        r"(.*hostkey could not be verified.*)",
        "fluxcd/pkg: ssh/knownhosts",
    ),
    row(
        "helm.operator-skips",
        "unable to sync release with status pending-",
        r"(unable to sync release with status pending-\w+)",
        "fluxcd/helm-operator: pkg/release/release.go",
    ),
    row(
        "helm.listed-pending",
        "pending-",
        r"^(\S+\s+\S+\s+\d+\s+\d{4}-\d\d-\d\d .*\spending-(?:install|upgrade|rollback)\s+\S+-v?\d\S*)",
        "helm: pkg/cmd/list.go",
    ),
    row(
        "argocd.repo-server",
        "grpc.service=repository.RepoServerService",
        r#"(error="[^"]*(?:authentication required|Repository not found|repository not found|unable to authenticate|could not read Username)[^"]*".* grpc\.service=repository\.RepoServerService)"#,
        "argo-cd: util/grpc/logging.go",
    ),
    row(
        "argocd.repo-credentials",
        "rpc error: code = ",
        r"(rpc error: code = .*(?:authentication required|Repository not found|repository not found|unable to authenticate|could not read Username).*)",
        "argo-cd: util/git/client.go",
    ),
    row(
        "sealed-secrets.no-key",
        "no key could decrypt secret",
        r"(no key could decrypt secret.*)",
        "sealed-secrets: pkg/apis/sealedsecrets/v1alpha1/sealedsecret_expansion.go",
    ),
    row(
        "sealed-secrets.new-key",
        "New key written",
        "(New key written.*)",
        "sealed-secrets: pkg/controller/keyregistry.go, keys.go",
    ),
    row(
        "sealed-secrets.key-known",
        "registered private key",
        "(registered private key.*)",
        "sealed-secrets: pkg/controller/keyregistry.go",
    ),
    row(
        "cert-manager.self-check",
        "failed to perform self check GET request",
        r"(failed to perform self check GET request .*)",
        "cert-manager: pkg/issuer/acme/http/http.go",
    ),
    row(
        "gitops.namespace-missing",
        "not found",
        r#"((?:dry-run failed|apply failed|failed to create|one or more objects failed to apply).*namespaces "\S+" not found.*)"#,
        "kubernetes: namespace lifecycle admission",
    ),
];
