//! Claims that are not bound, and pods that wait for their volumes.
//! Deliberately absent: mounting; that is the kubelet's.

#[path = "storage/manifests.rs"]
mod manifests;

use super::{Fault, Step};
use crate::record::Take;

use manifests::{
    ACCESS_MODES, BASE, CACHE_FIRST, CLAIM_MISSING, ELSEWHERE, FIRST_LIFE, MEDIA_SECOND,
    NO_CONSUMER, NO_DEFAULT, NO_VOLUME, ON_ELSEWHERE, OTHER_CLAIM, SECOND_LIFE, VOLUME_DIFFERS,
    VOLUME_MISSING,
};
pub use manifests::{CLAIM_SELECTOR, CLASS_MISSING};

/// The table.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "claim_selector",
        steps: &[Step::Node("n1"), Step::Apply(CLAIM_SELECTOR)],
        classes: &["pvc-selector-mismatch"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/media/library"),
            ("pod-pending", "pod/media/server-"),
            ("replicas-missing", "deployment.apps/media/server"),
        ],
        page: Some("sto/selector_mismatch.md"),
        age: 75,
        takes: &[
            Take::Get("pv.yaml", &["get", "pv", "library", "-o", "yaml"]),
            Take::Get(
                "all.yaml",
                &[
                    "get",
                    "-n",
                    "media",
                    "pvc,deployments,replicasets,pods,events",
                    "-o",
                    "yaml",
                ],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_class_missing",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(CLASS_MISSING),
        ],
        classes: &["pvc-storageclass-missing"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/class_missing.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_no_default_class",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(NO_DEFAULT),
        ],
        classes: &["pvc-no-default-storageclass"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/no_default_class.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_volume_missing",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(VOLUME_MISSING),
        ],
        classes: &["pvc-volumename-missing-pv"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/volume_missing.md"),
        age: 75,
        takes: &[
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_volume_differs",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(VOLUME_DIFFERS),
        ],
        classes: &["pvc-pv-mismatch"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/volume_differs.md"),
        age: 75,
        takes: &[
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_access_modes",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(ACCESS_MODES),
        ],
        classes: &["pvc-access-mode-mismatch"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/access_mode_mismatch.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_no_volume",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(OTHER_CLAIM),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "cache",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Apply(NO_VOLUME),
        ],
        classes: &["pvc-no-matching-pv"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/no_matching_volume.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_released_volume",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(FIRST_LIFE),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "media",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "blog",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Kubectl(&["delete", "-n", "shop", "pvc", "media"]),
            Step::Until(
                &["get", "pv", "media-disk", "-o", "jsonpath={.status.phase}"],
                "Released",
            ),
            Step::Apply(SECOND_LIFE),
        ],
        classes: &["pv-released-stale-claimref"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/stale_claim_ref.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_taken_volume",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(CACHE_FIRST),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "cache",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Apply(MEDIA_SECOND),
        ],
        classes: &["pv-bound-to-wrong-claim"],
        symptoms: &[
            ("claim-pending", "persistentvolumeclaim/shop/media"),
            ("pod-pending", "pod/shop/player"),
        ],
        page: Some("sto/bound_to_wrong_claim.md"),
        age: 75,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_without_consumer",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(NO_CONSUMER),
        ],
        classes: &["pvc-waits-for-consumer"],
        symptoms: &[("claim-pending", "persistentvolumeclaim/shop/media")],
        page: Some("sto/waits_for_consumer.md"),
        age: 315,
        takes: &[
            Take::Get("classes.yaml", &["get", "storageclasses", "-o", "yaml"]),
            Take::Get("pods.yaml", &["get", "-n", "shop", "pods", "-o", "yaml"]),
            Take::Get("claims.yaml", &["get", "-n", "shop", "pvc", "-o", "yaml"]),
            Take::Get(
                "events.yaml",
                &["get", "-n", "shop", "events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "claim_missing",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(OTHER_CLAIM),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "cache",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Apply(CLAIM_MISSING),
        ],
        classes: &["pvc-missing"],
        symptoms: &[("pod-pending", "pod/shop/player")],
        page: Some("sto/claim_missing.md"),
        age: 75,
        takes: &[
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
    Fault {
        name: "volume_node_affinity",
        steps: &[
            Step::Apply(BASE),
            Step::Without(NODES, "not-ready"),
            Step::Apply(ELSEWHERE),
            Step::Until(
                &[
                    "get",
                    "-n",
                    "shop",
                    "pvc",
                    "media",
                    "-o",
                    "jsonpath={.status.phase}",
                ],
                "Bound",
            ),
            Step::Apply(ON_ELSEWHERE),
        ],
        classes: &["volume-node-affinity-conflict"],
        symptoms: &[("pod-pending", "pod/shop/player")],
        page: Some("sto/node_affinity.md"),
        age: 75,
        takes: &[
            Take::Get("nodes.yaml", &["get", "nodes", "-o", "yaml"]),
            Take::Get("volumes.yaml", &["get", "pv", "-o", "yaml"]),
            Take::Get(
                "shop.yaml",
                &["get", "-n", "shop", "pvc,pods,events", "-o", "yaml"],
            ),
            Take::Get(
                "leases.yaml",
                &["get", "-n", "kube-node-lease", "leases", "-o", "yaml"],
            ),
        ],
        ..Fault::NONE
    },
];

/// What keeps nodes from taking pods; a node is ready when it is without the taint for that.
const NODES: &[&str] = &[
    "get",
    "nodes",
    "-o",
    "jsonpath={.items[*].spec.taints[*].key} of {.items[*].metadata.name}",
];
