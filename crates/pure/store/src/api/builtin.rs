//! The kinds of Kubernetes itself: how they are called, and where an API server keeps them.
//!
//! Sources: the REST storages below `pkg/registry` and `pkg/kubeapiserver/default_storage_factory_builder.go`.
//! Deliberately absent: kinds that are answered and never stored (reviews, bindings).

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The kind that kubectl knows by this plural or short name (`pods`, `po`), in any case.
pub fn kind_named(word: &str) -> Option<&'static str> {
    static NAMES: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
        let mut out = BTreeMap::new();
        for line in KINDS.lines() {
            let mut words = line.split(' ').skip(2);
            let (Some(kind), Some(plural)) = (words.next(), words.next()) else {
                continue;
            };
            let short = words.nth(1).unwrap_or("-").split(',');
            for name in short.filter(|name| *name != "-").chain([plural]) {
                out.entry(name).or_insert(kind);
            }
        }
        out
    });
    NAMES.get(word.to_ascii_lowercase().as_str()).copied()
}

/// Kubernetes' own groups, the first of which counts most. Source: the priorities of API services in
/// `pkg/controlplane/apiserver/aggregator.go` and `cmd/kube-apiserver/app/aggregator.go`, ties by name;
/// the aggregator's own group goes before them all, and those of definitions (priority 1000) behind.
pub(super) const PRIORITIES: &str = "\
apiregistration.k8s.io apps events.k8s.io authentication.k8s.io authorization.k8s.io autoscaling batch
certificates.k8s.io networking.k8s.io extensions policy rbac.authorization.k8s.io storage.k8s.io
admissionregistration.k8s.io apiextensions.k8s.io scheduling.k8s.io coordination.k8s.io node.k8s.io discovery.k8s.io
flowcontrol.apiserver.k8s.io internal.apiserver.k8s.io resource.k8s.io storagemigration.k8s.io";

/// `GROUP VERSION Kind plural SCOPE short,… categories PREFIX`; `-` is none, a group of `-` is the core, a
/// prefix of `-` is the plural. The version is that in which a datastore is served which has none of the kind.
pub(super) const KINDS: &str = "\
- v1 ConfigMap configmaps n cm - -
- v1 Endpoints endpoints n ep - services/endpoints
- v1 Event events n ev - -
- v1 LimitRange limitranges n limits - -
- v1 Namespace namespaces c ns - -
- v1 Node nodes c no - minions
- v1 PersistentVolumeClaim persistentvolumeclaims n pvc - -
- v1 PersistentVolume persistentvolumes c pv - -
- v1 Pod pods n po all -
- v1 PodTemplate podtemplates n - - -
- v1 ReplicationController replicationcontrollers n rc all controllers
- v1 ResourceQuota resourcequotas n quota - -
- v1 Secret secrets n - - -
- v1 ServiceAccount serviceaccounts n sa - -
- v1 Service services n svc all services/specs
admissionregistration.k8s.io v1 MutatingWebhookConfiguration mutatingwebhookconfigurations c - api-extensions -
admissionregistration.k8s.io v1 ValidatingWebhookConfiguration validatingwebhookconfigurations c - api-extensions -
admissionregistration.k8s.io v1 ValidatingAdmissionPolicy validatingadmissionpolicies c - api-extensions -
admissionregistration.k8s.io v1 ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings c - - -
admissionregistration.k8s.io v1beta1 MutatingAdmissionPolicy mutatingadmissionpolicies c - api-extensions -
admissionregistration.k8s.io v1beta1 MutatingAdmissionPolicyBinding mutatingadmissionpolicybindings c - - -
apiextensions.k8s.io v1 CustomResourceDefinition customresourcedefinitions c crd,crds api-extensions apiextensions.k8s.io/customresourcedefinitions
apiregistration.k8s.io v1 APIService apiservices c - api-extensions apiregistration.k8s.io/apiservices
apps v1 ControllerRevision controllerrevisions n - - -
apps v1 DaemonSet daemonsets n ds all -
apps v1 Deployment deployments n deploy all -
apps v1 ReplicaSet replicasets n rs all -
apps v1 StatefulSet statefulsets n sts all -
autoscaling v2 HorizontalPodAutoscaler horizontalpodautoscalers n hpa all -
batch v1 CronJob cronjobs n cj all -
batch v1 Job jobs n - all -
certificates.k8s.io v1 CertificateSigningRequest certificatesigningrequests c csr - -
certificates.k8s.io v1beta1 ClusterTrustBundle clustertrustbundles c - - -
certificates.k8s.io v1beta1 PodCertificateRequest podcertificaterequests n - - -
coordination.k8s.io v1 Lease leases n - - -
discovery.k8s.io v1 EndpointSlice endpointslices n - - -
flowcontrol.apiserver.k8s.io v1 FlowSchema flowschemas c - - -
flowcontrol.apiserver.k8s.io v1 PriorityLevelConfiguration prioritylevelconfigurations c - - -
networking.k8s.io v1 IngressClass ingressclasses c - - -
networking.k8s.io v1 Ingress ingresses n ing - ingress
networking.k8s.io v1 IPAddress ipaddresses c ip - -
networking.k8s.io v1 NetworkPolicy networkpolicies n netpol - -
networking.k8s.io v1 ServiceCIDR servicecidrs c - - -
node.k8s.io v1 RuntimeClass runtimeclasses c - - -
policy v1 PodDisruptionBudget poddisruptionbudgets n pdb - -
rbac.authorization.k8s.io v1 ClusterRoleBinding clusterrolebindings c - - -
rbac.authorization.k8s.io v1 ClusterRole clusterroles c - - -
rbac.authorization.k8s.io v1 RoleBinding rolebindings n - - -
rbac.authorization.k8s.io v1 Role roles n - - -
resource.k8s.io v1 DeviceClass deviceclasses c - - -
resource.k8s.io v1 ResourceClaim resourceclaims n - - -
resource.k8s.io v1 ResourceClaimTemplate resourceclaimtemplates n - - -
resource.k8s.io v1 ResourceSlice resourceslices c - - -
scheduling.k8s.io v1 PriorityClass priorityclasses c pc - -
storage.k8s.io v1 CSIDriver csidrivers c - - -
storage.k8s.io v1 CSINode csinodes c - - -
storage.k8s.io v1 CSIStorageCapacity csistoragecapacities n - - -
storage.k8s.io v1 StorageClass storageclasses c sc - -
storage.k8s.io v1 VolumeAttachment volumeattachments c - - -
storage.k8s.io v1 VolumeAttributesClass volumeattributesclasses c vac - -
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_the_names_that_kubectl_has() {
        for (word, kind) in [
            ("po", "Pod"),
            ("NODES", "Node"),
            ("services", "Service"),
            ("crds", "CustomResourceDefinition"),
            ("ing", "Ingress"),
            ("networkpolicies", "NetworkPolicy"),
            ("limits", "LimitRange"),
        ] {
            assert_eq!(kind_named(word), Some(kind), "{word}");
        }
        for none in ["", "-", "n", "c", "all", "api-extensions", "minions", "Pod"] {
            assert_eq!(kind_named(none), None, "{none}");
        }
    }
}
