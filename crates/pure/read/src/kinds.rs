//! The names by which kubectl knows kinds: plural, singular, short.
//!
//! Source: kubernetes `pkg/registry/*/storage` (ShortNames), the CRDs of the controllers named.
//! Deliberately absent: kinds that no reader asks for; their printed rows are left alone.

/// One kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// As objects name it.
    pub kind: &'static str,
    /// Group and version.
    pub api_version: &'static str,
    /// Has no namespace.
    pub cluster: bool,
    /// Names that commands use, in lower case.
    names: &'static [&'static str],
}

const fn kind(
    kind: &'static str,
    api_version: &'static str,
    cluster: bool,
    names: &'static [&'static str],
) -> Kind {
    Kind {
        kind,
        api_version,
        cluster,
        names,
    }
}

const KINDS: &[Kind] = &[
    kind("Pod", "v1", false, &["pods", "pod", "po"]),
    kind("Node", "v1", true, &["nodes", "node", "no"]),
    kind(
        "PersistentVolumeClaim",
        "v1",
        false,
        &[
            "persistentvolumeclaims",
            "persistentvolumeclaim",
            "pvc",
            "pvcs",
        ],
    ),
    kind(
        "PersistentVolume",
        "v1",
        true,
        &["persistentvolumes", "persistentvolume", "pv", "pvs"],
    ),
    kind("Service", "v1", false, &["services", "service", "svc"]),
    kind("Namespace", "v1", true, &["namespaces", "namespace", "ns"]),
    kind("Secret", "v1", false, &["secrets", "secret"]),
    kind("ConfigMap", "v1", false, &["configmaps", "configmap", "cm"]),
    kind(
        "ServiceAccount",
        "v1",
        false,
        &["serviceaccounts", "serviceaccount", "sa"],
    ),
    kind(
        "ResourceQuota",
        "v1",
        false,
        &["resourcequotas", "resourcequota", "quota"],
    ),
    kind("Endpoints", "v1", false, &["endpoints", "ep"]),
    kind(
        "ReplicationController",
        "v1",
        false,
        &["replicationcontrollers", "replicationcontroller", "rc"],
    ),
    kind(
        "Deployment",
        "apps/v1",
        false,
        &[
            "deployments",
            "deployment",
            "deploy",
            "deployments.apps",
            "deployment.apps",
        ],
    ),
    kind(
        "ReplicaSet",
        "apps/v1",
        false,
        &[
            "replicasets",
            "replicaset",
            "rs",
            "replicaset.apps",
            "replicasets.apps",
        ],
    ),
    kind(
        "StatefulSet",
        "apps/v1",
        false,
        &[
            "statefulsets",
            "statefulset",
            "sts",
            "statefulset.apps",
            "statefulsets.apps",
        ],
    ),
    kind(
        "DaemonSet",
        "apps/v1",
        false,
        &[
            "daemonsets",
            "daemonset",
            "ds",
            "daemonset.apps",
            "daemonsets.apps",
        ],
    ),
    kind(
        "Job",
        "batch/v1",
        false,
        &["jobs", "job", "job.batch", "jobs.batch"],
    ),
    kind(
        "CronJob",
        "batch/v1",
        false,
        &[
            "cronjobs",
            "cronjob",
            "cj",
            "cronjob.batch",
            "cronjobs.batch",
        ],
    ),
    kind(
        "StorageClass",
        "storage.k8s.io/v1",
        true,
        &["storageclasses", "storageclass", "sc"],
    ),
    kind(
        "VolumeAttachment",
        "storage.k8s.io/v1",
        true,
        &["volumeattachments", "volumeattachment"],
    ),
    kind(
        "Ingress",
        "networking.k8s.io/v1",
        false,
        &["ingresses", "ingress", "ing"],
    ),
    kind(
        "NetworkPolicy",
        "networking.k8s.io/v1",
        false,
        &["networkpolicies", "networkpolicy", "netpol"],
    ),
    kind(
        "APIService",
        "apiregistration.k8s.io/v1",
        true,
        &[
            "apiservices",
            "apiservice",
            "apiservices.apiregistration.k8s.io",
        ],
    ),
    kind(
        "CustomResourceDefinition",
        "apiextensions.k8s.io/v1",
        true,
        &[
            "customresourcedefinitions",
            "customresourcedefinition",
            "crd",
            "crds",
        ],
    ),
    kind(
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        false,
        &["horizontalpodautoscalers", "horizontalpodautoscaler", "hpa"],
    ),
    kind(
        "PodDisruptionBudget",
        "policy/v1",
        false,
        &["poddisruptionbudgets", "poddisruptionbudget", "pdb"],
    ),
    kind(
        "Certificate",
        "cert-manager.io/v1",
        false,
        &["certificates", "certificate", "cert"],
    ),
    kind(
        "Issuer",
        "cert-manager.io/v1",
        false,
        &["issuers", "issuer"],
    ),
    kind(
        "ClusterIssuer",
        "cert-manager.io/v1",
        true,
        &["clusterissuers", "clusterissuer"],
    ),
    kind(
        "Challenge",
        "acme.cert-manager.io/v1",
        false,
        &["challenges", "challenge"],
    ),
    kind(
        "SealedSecret",
        "bitnami.com/v1alpha1",
        false,
        &["sealedsecrets", "sealedsecret"],
    ),
    kind(
        "Kustomization",
        "kustomize.toolkit.fluxcd.io/v1",
        false,
        &["kustomizations", "kustomization", "ks"],
    ),
    kind(
        "HelmRelease",
        "helm.toolkit.fluxcd.io/v2",
        false,
        &["helmreleases", "helmrelease", "hr"],
    ),
    kind(
        "GitRepository",
        "source.toolkit.fluxcd.io/v1",
        false,
        &["gitrepositories", "gitrepository", "gitrepo"],
    ),
    kind(
        "HelmRepository",
        "source.toolkit.fluxcd.io/v1",
        false,
        &["helmrepositories", "helmrepository", "helmrepo"],
    ),
    kind(
        "Application",
        "argoproj.io/v1alpha1",
        false,
        &["applications", "application", "apps", "app"],
    ),
];

/// The kind of this name, whatever its case.
pub(crate) fn named(name: &str) -> Option<Kind> {
    let name = name.to_ascii_lowercase();
    KINDS
        .iter()
        .find(|k| k.names.contains(&name.as_str()))
        .or_else(|| {
            // `kustomizations.kustomize.toolkit.fluxcd.io`
            let (head, group) = name.split_once('.')?;
            KINDS.iter().find(|k| {
                k.names.contains(&head)
                    && k.api_version
                        .split('/')
                        .next()
                        .is_some_and(|g| g == group || group.starts_with(g))
            })
        })
        .copied()
}

impl Kind {
    /// The API group; empty for core.
    pub fn group(self) -> &'static str {
        self.api_version.rsplit_once('/').map_or("", |(g, _)| g)
    }
}
