//! # ADM012 metrics-server rejects the kubelets' certificates
//!
//! class: metrics-kubelet-cert-invalid
//!
//! ## What it sees
//! metrics-server's own log: it can't scrape a kubelet, because the certificate holds no IP address or
//! is signed by an authority that it does not know.
//!
//! ## Why it matters
//! metrics-server never becomes ready, so its API is unavailable: `kubectl top` and autoscalers fail.
//!
//! ## What to do
//! Give the kubelets serving certificates that the cluster's CA signs (`serverTLSBootstrap`), and
//! metrics-server that CA; in a lab `--kubelet-insecure-tls` does.
//!
//! ## What not to do
//! Do not delete the APIService: it only says what metrics-server says.

use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "ADM012",
    class: "metrics-kubelet-cert-invalid",
    needs: &["container logs"],
    leads_to: &[K::PodNotReady],
    check,
};

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for hit in cx
        .hits("metrics-server.certificate")
        .chain(cx.hits("metrics-server.certificate-unknown"))
    {
        if hit
            .entity
            .as_ref()
            .and_then(|e| cx.cluster.pod(e))
            .is_some_and(|p| p.is_ready())
        {
            continue;
        }
        let f = RULE
            .on(EntityId::object("APIService", "apiregistration.k8s.io", "", "v1beta1.metrics.k8s.io"))
            .title("metrics-server rejects the kubelets' certificates and has no metrics")
            .why("Without a scrape it never becomes ready, and its API stays unavailable.")
            .term(90, "metrics-server's own log says so")
            .cite(cx.log(hit, 0, "the kubelet's certificate is not accepted"))
            .safe("See what the kubelet's certificate holds.", "openssl s_client -connect NODE:10250 </dev/null 2>/dev/null | openssl x509 -noout -text | grep -A1 'Subject Alternative'")
            .advice("On k3s its own metrics-server is written anew at every start: run it with `--disable metrics-server` and apply one with your arguments, or mend the kubelets' certificates.")
            .check_first("Elsewhere: let the kubelets ask the cluster for serving certificates, or (lab only) skip the check.", "kubectl -n kube-system edit deployment metrics-server  # --kubelet-insecure-tls")
            .dont("Don't delete the APIService: it only repeats what metrics-server says.");
        out.push(super::metrics_name::claims(cx, f, hit));
    }
}
