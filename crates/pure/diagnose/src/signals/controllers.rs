//! The API server and the controllers, about objects, leases and ranges.
//! Source: kubernetes `pkg/controller`, `staging/src/k8s.io/apiserver`, client-go.
//!
//! Deliberately absent: what names a cause by itself (`apiserver`).

use defib_model::signal::{Mark, Signal};

use super::signal;

/// The table.
pub static SIGNALS: &[Signal] = &[
    signal(
        "kcm.evicts",
        "Marking for deletion Pod",
        r"Marking for deletion Pod (\S+)",
        "kube-controller-manager",
        Mark::Progress,
        "kubernetes: pkg/controller/tainteviction/taint_eviction.go",
    ),
    signal(
        "kcm.no-range",
        "CIDRNotAvailable",
        "",
        "kube-controller-manager",
        Mark::Cause,
        "kubernetes: pkg/controller/nodeipam/ipam/cidrset",
    ),
    signal(
        "kcm.range-used-up",
        "remaining CIDRs left to allocate",
        "",
        "kube-controller-manager",
        Mark::Cause,
        "kubernetes: pkg/controller/nodeipam/ipam/cidrset",
    ),
    signal(
        "kcm.misbound",
        "bound to the same volume",
        "Two claims are bound to the same volume",
        "kube-controller-manager",
        Mark::Cause,
        "kubernetes: pkg/controller/volume/persistentvolume/pv_controller.go",
    ),
    signal(
        "client.no-lock",
        "rror retrieving resource lock",
        "",
        "client-go",
        Mark::Symptom,
        "client-go: tools/leaderelection/leaderelection.go",
    ),
    signal(
        "apiserver.unauthenticated",
        "Unable to authenticate the request",
        "Unable to authenticate the request(.*)",
        "kube-apiserver",
        Mark::Symptom,
        "kubernetes: apiserver pkg/endpoints/filters/authentication.go",
    ),
    signal(
        "apiserver.unavailable",
        "currently unable to handle the request",
        "",
        "kubernetes",
        Mark::Symptom,
        "kubernetes: apimachinery pkg/api/errors",
    ),
    signal(
        "apiserver.no-backend",
        "error dialing backend",
        "",
        "kube-apiserver",
        Mark::Symptom,
        "kubernetes: apimachinery pkg/util/proxy",
    ),
    signal(
        "apiserver.no-service",
        "error trying to reach service",
        "",
        "kube-apiserver",
        Mark::Symptom,
        "kubernetes: apimachinery pkg/util/proxy",
    ),
    signal(
        "apiserver.check-failed",
        " failed: reason withheld",
        r"\[-\](\S+) failed: reason withheld",
        "kube-apiserver",
        Mark::Symptom,
        "kubernetes: apiserver pkg/server/healthz/healthz.go",
    ),
];
