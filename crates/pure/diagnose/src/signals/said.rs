//! What the kubelet says of pods, in tables of `kubectl describe`, lists of events and its own journal.
//!
//! Used where no list of pods and no event objects say more.

use defib_model::signal::{Mark, Signal};

/// The table.
pub static SIGNALS: &[Signal] = &[
    Signal {
        id: "said.pull-failed",
        anchor: "Failed to pull image",
        pattern: r#"Failed to pull image "?([^"\s]+)"?: .+"#,
        unit: "kubelet",
        mark: Mark::Symptom,
        versions: "",
        source: "kubernetes: pkg/kubelet/images/image_manager.go",
    },
    Signal {
        id: "said.pull-failed.tried",
        anchor: "failed to pull and unpack image",
        pattern: r#"(?:FATA\[\d+\] |^ctr: |PullImage from image service failed).*failed to pull and unpack image "?([^"\s]+)"?: .+"#,
        unit: "crictl",
        mark: Mark::Symptom,
        versions: "",
        source: "containerd: client/pull.go; cri-tools: cmd/crictl/image.go",
    },
    Signal {
        id: "said.pull-failed.asked",
        anchor: "x509: ",
        pattern: r#"(?:Get|Head) \\*"?https://([^/"\s]+)/v2/[^"\s]*\\*"?: (?:tls: failed to verify certificate: )?x509: (?:certificate (?:relies on|is valid for|is not valid for)|cannot validate).+"#,
        unit: "crictl",
        mark: Mark::Symptom,
        versions: "",
        source: "Go net/url (Error), crypto/x509; containerd: core/remotes/docker",
    },
    Signal {
        id: "said.never-pull",
        anchor: "is not present with pull policy of Never",
        pattern: r#"Container image "([^"]+)" is not present with pull policy of Never"#,
        unit: "kubelet",
        mark: Mark::Cause,
        versions: "",
        source: "kubernetes: pkg/kubelet/images/image_manager.go",
    },
    Signal {
        id: "said.missing.not-found",
        anchor: " not found",
        pattern: r#"(?:MountVolume\.Set[Uu]p failed .*|Error: |CreateContainerConfigError.*)(?:configmaps?|secrets?) "[^"]+" not found"#,
        unit: "kubelet",
        mark: Mark::Cause,
        versions: "",
        source: "kubernetes: pkg/kubelet/kubelet_pods.go, pkg/volume",
    },
    Signal {
        id: "said.missing.key",
        anchor: "find key ",
        pattern: r"couldn't find key \S+ in (?:Secret|ConfigMap) \S+",
        unit: "kubelet",
        mark: Mark::Cause,
        versions: "",
        source: "kubernetes: pkg/kubelet/kubelet_pods.go",
    },
    Signal {
        id: "said.non-root",
        anchor: "container has runAsNonRoot and image",
        pattern: "",
        unit: "kubelet",
        mark: Mark::Cause,
        versions: "",
        source: "kubernetes: pkg/kubelet/kuberuntime/security_context.go",
    },
    Signal {
        id: "said.exec-not-found",
        anchor: "executable file not found in",
        pattern: r#"exec: "[^"]+": executable file not found in"#,
        unit: "containerd",
        mark: Mark::Cause,
        versions: "",
        source: "Go os/exec (ErrNotFound) by way of runc",
    },
    Signal {
        id: "said.exec-not-found.file",
        anchor: ": no such file or directory: unknown",
        pattern: r#"exec: \\*"[^"\\]+\\*": (?:stat )?\S+: no such file or directory"#,
        unit: "containerd",
        mark: Mark::Cause,
        versions: "",
        source: "Go os/exec (Error) by way of runc",
    },
];
