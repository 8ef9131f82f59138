//! What a person collects where pods run: from a node with an agent, and from the cluster once.
//! Deliberately absent: values of Secrets; their names are enough.

/// From every node that runs pods: the file's name, and the command.
pub(super) const NODE: &[(&str, &str)] = &[
    (
        "journal-k3s-agent",
        "journalctl -u k3s-agent --no-pager -o short-iso",
    ),
    (
        "containerd-log",
        "tail -n 3000 /var/lib/rancher/k3s/agent/containerd/containerd.log",
    ),
    ("systemctl-status", "systemctl status --no-pager -l 'k3s*'"),
    (
        "ctr-containers",
        "timeout 10 ctr -n k8s.io containers list; timeout 10 ctr -n k8s.io images list -q",
    ),
    (
        "ls-agent",
        "ls -lR --time-style=full-iso /var/lib/rancher/k3s/agent/etc /var/lib/rancher/k3s/agent/images /etc/rancher; ls -l --time-style=full-iso /var/lib/rancher/k3s/agent /var/lib/rancher/k3s/agent/containerd",
    ),
    ("resolv-conf", "cat /etc/resolv.conf"),
    (
        "sysctl",
        "sysctl net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables net.ipv4.conf.all.rp_filter",
    ),
];

/// From every node, agents too, beside these: what is about the host.
pub(super) const HOST: &[&str] = &[
    "df",
    "mount",
    "ip",
    "ss",
    "nft",
    "free",
    "date",
    "k3s-version",
    "config",
];

/// From the first server that is on, once.
pub(super) const CLUSTER: &[(&str, &str)] = &[
    (
        "kubectl-get-wide",
        "kubectl --request-timeout=20s get nodes,pods -A -o wide",
    ),
    ("kubectl-version", "kubectl --request-timeout=20s version"),
    (
        "kubectl-get-objects",
        "kubectl --request-timeout=20s get namespaces,deployments,replicasets,daemonsets,services,endpointslices,persistentvolumeclaims,persistentvolumes,storageclasses,secrets,apiservices,validatingwebhookconfigurations,mutatingwebhookconfigurations -A",
    ),
];

/// Prints the commands with which a person goes on: the logs of pods, and a description of whatever is not as it should
/// be.
pub(super) const CLOSER: &str = r#"
kubectl --request-timeout=20s get nodes --no-headers |
  awk '$2 != "Ready" { print "kubectl describe node " $1 }'
kubectl --request-timeout=20s get pods -A --no-headers |
  awk '{ split($3, ready, "/") }
    { print "kubectl -n " $1 " logs " $2 " --all-containers --tail=200" }
    $5 > 0 { print "kubectl -n " $1 " logs " $2 " --all-containers --tail=200 --previous" }
    ready[1] != ready[2] && $4 != "Completed" { print "kubectl -n " $1 " describe pod " $2 }'
kubectl --request-timeout=20s get persistentvolumeclaims -A --no-headers |
  awk '$3 != "Bound" { print "kubectl -n " $1 " describe persistentvolumeclaim " $2 }'
kubectl --request-timeout=20s get replicasets -A --no-headers |
  awk '$3 != $4 { print "kubectl -n " $1 " describe replicaset " $2 }'
"#;

/// The objects themselves, as the API gives them.
pub(super) const OBJECTS: &str = "kubectl --request-timeout=30s get nodes,namespaces,pods,events,deployments,replicasets,daemonsets,statefulsets,services,endpointslices,configmaps,serviceaccounts,persistentvolumeclaims,persistentvolumes,storageclasses,apiservices,validatingwebhookconfigurations,mutatingwebhookconfigurations -A -o yaml";
