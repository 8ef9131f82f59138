//! Layouts of other makers' bundles: the log belongs to its pod because of where it stands.
//! Constructed after Troubleshoot.sh (`pkg/collect/cluster_resources.go`, `logs.go`), OpenShift
//! must-gather (`inspect`) and the kubelet's own folders (`pkg/kubelet/kuberuntime/helpers.go`).
//! Deliberately absent: what Troubleshoot's own collector writes; a live test runs it.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod folder;

use folder::diagnose;

const POD: &str = r#"{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"till-5956679dff-s8m9z","namespace":"shop","creationTimestamp":"2026-03-10T10:00:00Z"},"spec":{"nodeName":"n1","containers":[{"name":"till","image":"acme/till:1"}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"False","lastTransitionTime":"2026-03-10T10:00:00Z"}],"containerStatuses":[{"name":"till","ready":false,"restartCount":9,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":1,"reason":"Error"}}}]}}]}"#;

const LOG: &str = "starting\nexec /usr/bin/till: exec format error\n";

#[test]
fn logs_belong_to_their_pods() {
    for log in [
        "cluster-resources/pods/logs/shop/till-5956679dff-s8m9z/till.log",
        "cluster-resources/pods/logs/shop/till-5956679dff-s8m9z/till-previous.log",
        "namespaces/shop/pods/till-5956679dff-s8m9z/till/till/logs/current.log",
        "var/log/containers/till-5956679dff-s8m9z_shop_till-0a1b2c3d.log",
        "var/log/pods/shop_till-5956679dff-s8m9z_5d3c/till/0.log",
    ] {
        let report = diagnose(&[("cluster-resources/pods/shop.json", POD), (log, LOG)]);
        let named: Vec<(&str, &str)> = report
            .root_causes
            .iter()
            .map(|c| (c.class.as_str(), c.entity.as_str()))
            .collect();
        assert_eq!(named.len(), 1, "{log}: {named:?}");
        assert_eq!(named[0].0, "image-wrong-architecture", "{log}");
        assert!(
            report.symptoms.iter().all(|s| !s.explained_by.is_empty()),
            "{log}: {:?}",
            report.symptoms
        );
    }
}

#[test]
fn a_log_beside_pods_of_other_names_is_nobodys() {
    let report = diagnose(&[
        ("pods/shop.json", POD),
        ("logs/shop/other-7d9f8c6b5d-x2k4p/other.log", LOG),
    ]);
    assert!(report.symptoms.iter().any(|s| s.explained_by.is_empty()));
}
