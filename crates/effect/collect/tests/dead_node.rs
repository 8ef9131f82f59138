//! A node whose kubelet does not answer costs one round of waiting, not one wait per container.
//! Deliberately absent: a real API server; the live tests of the face have one.

use std::sync::atomic::{AtomicUsize, Ordering};

use defib_collect::{Collection, cluster};
use defib_reach::{Answer, Observe, Probe, ReachError};

/// One kind, forty containers that are not well on a dead node, and one on a living node.
#[derive(Default)]
struct HalfDead {
    logs: AtomicUsize,
}

fn pod(name: &str, node: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"n"}},"spec":{{"nodeName":"{node}"}},"status":{{"phase":"Running","containerStatuses":[{{"name":"c","ready":false,"state":{{"running":{{}}}}}}]}}}}"#
    )
}

impl Observe for HalfDead {
    async fn ask(&self, probe: &Probe) -> Result<Answer, ReachError> {
        let body = match probe {
            Probe::CoreKinds => r#"{"items":[{"versions":[{"version":"v1","resources":[{"resource":"pods","responseKind":{"kind":"Pod"},"verbs":["list"]}]}]}]}"#.to_owned(),
            Probe::GroupKinds => r#"{"items":[]}"#.to_owned(),
            Probe::List { .. } => {
                let mut pods: Vec<String> = (0..40).map(|i| pod(&format!("p{i}"), "dead")).collect();
                pods.push(pod("z", "alive"));
                format!(r#"{{"kind":"PodList","apiVersion":"v1","items":[{}]}}"#, pods.join(","))
            }
            Probe::Log { pod, .. } if pod == "z" => "said something\n".to_owned(),
            Probe::Log { .. } => {
                self.logs.fetch_add(1, Ordering::Relaxed);
                // As the real one: others are asked while this one waits.
                tokio::task::yield_now().await;
                return Err(ReachError::TimedOut {
                    server: "https://example.com/".to_owned(),
                    seconds: 10,
                });
            }
            _ => "ok".to_owned(),
        };
        Ok(Answer {
            status: 200,
            body: body.into_bytes(),
            date: None,
        })
    }
}

#[tokio::test]
async fn a_dead_node_is_asked_once() {
    let api = HalfDead::default();
    let mut collection = Collection::new("test", Vec::new());
    cluster(&mut collection, &api, "kube:", |_| {})
        .await
        .unwrap();
    let asked = api.logs.load(Ordering::Relaxed);
    assert!((1..=6).contains(&asked), "{asked} logs of a dead node");
    let (bundle, _) = collection.finish();
    let skipped = bundle
        .gaps
        .iter()
        .filter(|g| g.what == format!("logs of {} further containers on node dead", 40 - asked))
        .count();
    assert_eq!(skipped, 1, "{:?}", bundle.gaps);
    assert_eq!(bundle.gaps.len(), asked + 1, "{:?}", bundle.gaps);
    // The living node is not taken for a dead one.
    assert!(
        bundle
            .entries
            .iter()
            .any(|e| e.id.ends_with("n/z/c.current.log"))
    );
}
