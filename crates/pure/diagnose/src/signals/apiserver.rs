//! What the API server answers when it refuses, in whoever's log it ends up.
//!
//! Sources: kubernetes `staging/src/k8s.io/apiserver/pkg/admission/plugin/{resourcequota,webhook}`,
//! `plugin/pkg/admission/serviceaccount`, `staging/src/k8s.io/kube-aggregator`. The first group is the
//! message from its own words on.

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
        "any client of the API",
        Mark::Cause,
        source,
    )
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    row(
        "apiserver.quota-exceeded",
        "xceeded quota: ",
        r"((?:\S+ )?\S* ?is forbidden: [eE]xceeded quota: .*)",
        "kubernetes: resourcequota/controller.go",
    ),
    row(
        "apiserver.quota-must-specify",
        "failed quota: ",
        r"(failed quota: \S+: must specify .*)",
        "kubernetes: resourcequota/controller.go",
    ),
    row(
        "apiserver.no-service-account",
        "error looking up service account ",
        r"(error looking up service account [^/\s]+/[^\s:]+: serviceaccounts?\b.*)",
        "kubernetes: plugin/pkg/admission/serviceaccount/admission.go",
    ),
    row(
        "apiserver.webhook-no-service",
        ".svc:443/",
        r#"(Post "?https://[a-z0-9-]+\.[a-z0-9-]+\.svc:443/\S*"?: service "[^"]+" not found)"#,
        "kubernetes: apiserver/pkg/util/webhook/client.go",
    ),
    row(
        "apiserver.webhook-failed",
        "failed calling webhook ",
        r"(failed calling webhook .*)",
        "kubernetes: webhook/errors/statuserror.go",
    ),
    row(
        "apiserver.namespace-finalizers",
        "Some content in the namespace has finalizers remaining: ",
        r"(Some content in the namespace has finalizers remaining: .*)",
        "kubernetes: pkg/controller/namespace/deletion/status_condition_utils.go",
    ),
    row(
        "apiserver.namespace-finalizers-reason",
        "SomeFinalizersRemain",
        "",
        "kubernetes: pkg/controller/namespace/deletion/status_condition_utils.go",
    ),
    // The same, folded over lines as YAML shows it.
    row(
        "apiserver.namespace-finalizer-row",
        " resource instances",
        r"^\s*([a-z0-9-]+(?:\.[a-z0-9-]+)+/[a-z0-9.-]+) in \d+ resource instances,?\s*$",
        "kubernetes: pkg/controller/namespace/deletion/status_condition_utils.go",
    ),
    row(
        "apiserver.namespace-discovery",
        "Discovery failed for some groups, ",
        r"(Discovery failed for some groups, .*)",
        "kubernetes: pkg/controller/namespace/deletion/status_condition_utils.go",
    ),
    row(
        "apiserver.aggregated-unavailable",
        " failed with: failing or missing response from ",
        r"(v\S+ failed with: failing or missing response from .*)",
        "kubernetes: kube-aggregator pkg/controllers/status/remote/remote_available_controller.go",
    ),
    row(
        "apiserver.aggregated-openapi",
        "loading OpenAPI spec for ",
        r"(loading OpenAPI spec for \S+ failed with: .*(?:503|service unavailable).*)",
        "kubernetes: kube-aggregator pkg/controllers/openapi/controller.go",
    ),
    row(
        "apiserver.proxyconnect",
        "proxyconnect tcp",
        r"(.*proxyconnect tcp.*)",
        "Go net/http/transport.go",
    ),
    row(
        "apiserver.proxy-env",
        "_PROXY=",
        r"(\bHTTPS?_PROXY=\S+)",
        "Go golang.org/x/net/http/httpproxy",
    ),
    row(
        "apiserver.proxy-env-lower",
        "_proxy=",
        r"(\bhttps?_proxy=\S+)",
        "Go golang.org/x/net/http/httpproxy",
    ),
    row(
        "apiserver.no-matches",
        "no matches for kind ",
        r"(.*no matches for kind .* in version .*)",
        "kubernetes: apimachinery pkg/api/meta/errors.go",
    ),
    row(
        "apiserver.no-matches-started",
        "if kind is a CRD, it should be installed before calling Start",
        r"(.*if kind is a CRD, it should be installed before calling Start.*)",
        "controller-runtime: pkg/internal/source/kind.go",
    ),
    row(
        "apiserver.discovery-failed",
        "failing or missing response from http",
        r"failing or missing response from https?://\S+/apis/([^/\s]+)/([^/:\s]+): (.*)",
        "kubernetes: kube-aggregator pkg/controllers/status/remote/remote_available_controller.go",
    ),
    row(
        "apiserver.annotation-too-long",
        "metadata.annotations: Too long",
        r"(.*metadata\.annotations: Too long: .*)",
        "kubernetes: apimachinery pkg/api/validation/objectmeta.go",
    ),
    row(
        "apiserver.eviction-blocked",
        "would violate the pod's disruption budget",
        r"(.*annot evict pod as it would violate the pod's disruption budget.*)",
        "kubernetes: pkg/registry/core/pod/storage/eviction.go",
    ),
    row(
        "tls.not-yet",
        "certificate is not valid yet",
        "(the certificate is not valid yet.*)",
        "kubernetes: cmd/kubeadm/app/util/pkiutil; etcdadm: certs/pkiutil",
    ),
    row(
        "tls.expired",
        "certificate has expired or is not yet valid",
        r"(x509: certificate has expired or is not yet valid.*)",
        "Go crypto/x509/verify.go",
    ),
];
