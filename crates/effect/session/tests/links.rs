//! One cause, and everything that follows from it folded under it, over needs that no field states.
//!
//! Deliberately absent: the causes themselves (the casebook).

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod folder;

use std::fmt::Write;

use defib_session::Verdict;
use folder::diagnose as judged;

/// A pod of a Deployment, waiting or ending with these words.
fn pod(name: &str, app: &str, status: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: shop
  labels: {{app: {app}}}
  creationTimestamp: \"2026-03-01T09:00:00Z\"
spec:
  nodeName: n1
  containers:
  - name: app
    image: registry.example/{app}:1
status:
  phase: Pending
  conditions: [{{type: Ready, status: \"False\", lastTransitionTime: \"2026-03-01T09:00:00Z\"}}]
  containerStatuses:
  - name: app
    ready: false
{status}"
    )
}

const PULL: &str = "    restartCount: 0
    state:
      waiting:
        reason: ErrImagePull
        message: 'failed to pull and unpack image \"registry.example/db:1\": failed to resolve reference \"registry.example/db:1\": registry.example/db:1: not found'
";

const LOOP: &str = "    restartCount: 40
    state: {waiting: {reason: CrashLoopBackOff}}
    lastState: {terminated: {exitCode: 1, reason: Error}}
";

fn service(name: &str, address: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop, creationTimestamp: \"2026-03-01T08:00:00Z\"}}
spec: {{clusterIP: {address}, selector: {{app: {name}}}, ports: [{{port: 5432}}]}}
"
    )
}

fn listed(items: &[String]) -> String {
    let mut out = String::from("kind: List\napiVersion: v1\nitems:\n");
    for item in items {
        for (i, line) in item.trim_start_matches("---\n").lines().enumerate() {
            let _ = writeln!(out, "{}{line}", if i == 0 { "- " } else { "  " });
        }
    }
    out
}

#[track_caller]
fn one_cause_for_all(report: &defib_model::report::Report, class: &str) {
    let classes: Vec<&str> = report.root_causes.iter().map(|c| &*c.class).collect();
    assert_eq!(classes, [class]);
    let open: Vec<_> = report
        .symptoms
        .iter()
        .filter(|s| s.explained_by.is_empty())
        .map(|s| (&s.entity, &s.condition))
        .collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(report.symptoms.len() > 2);
}

fn log(of: &str, text: &str) -> String {
    format!(
        "==== START logs for container app of pod shop/{of} ====\n{text}\n==== END logs for container app of pod shop/{of} ====\n"
    )
}

#[test]
fn a_program_that_calls_a_service_without_pods() {
    for words in [
        "dial tcp 10.43.7.7:5432: connect: connection refused",
        "could not connect to db:5432: timed out",
        "Error: connect ECONNREFUSED db.shop.svc.cluster.local:5432",
    ] {
        let report = judged(&[
            (
                "pods.yaml",
                listed(&[pod("db-0", "db", PULL), pod("web-0", "web", LOOP)]),
            ),
            ("services.yaml", listed(&[service("db", "10.43.7.7")])),
            ("shop/web-0/logs.txt", log("web-0", words)),
        ]);
        one_cause_for_all(&report, "image-name-wrong");
    }
}

/// The same words about somebody else's address explain nothing.
#[test]
fn a_program_that_calls_something_else() {
    let report = judged(&[
        (
            "pods.yaml",
            listed(&[pod("db-0", "db", PULL), pod("web-0", "web", LOOP)]),
        ),
        ("services.yaml", listed(&[service("db", "10.43.7.7")])),
        (
            "shop/web-0/logs.txt",
            log(
                "web-0",
                "dial tcp 10.43.7.70:5432: connect: connection refused",
            ),
        ),
    ]);
    assert!(
        report
            .symptoms
            .iter()
            .any(|s| s.entity.name() == "web-0" && s.explained_by.is_empty())
    );
}

/// Who makes a Secret is asked before anybody makes it by hand.
#[test]
fn a_secret_whose_maker_fails() {
    let waits = "    restartCount: 0
    state: {waiting: {reason: CreateContainerConfigError, message: 'secret \"db\" not found'}}
";
    let sealed = "---
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: db, namespace: shop, creationTimestamp: \"2026-03-01T08:00:00Z\"}
status:
  conditions: [{type: Synced, status: \"False\", message: no key could decrypt secret (PIN), lastTransitionTime: \"2026-03-01T09:00:00Z\"}]
";
    let report = judged(&[
        ("pods.yaml", listed(&[pod("web-0", "web", waits)])),
        ("sealed.yaml", listed(&[sealed.to_owned()])),
    ]);
    assert_eq!(report.verdict, Verdict::Unknown);
    let classes: Vec<&str> = report.candidates.iter().map(|c| &*c.class).collect();
    assert!(classes.contains(&"sealed-secret-key-lost"), "{classes:?}");
    assert!(!classes.contains(&"secret-missing"), "{classes:?}");
}
