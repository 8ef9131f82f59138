//! The kubelet, the node controllers and the kernel, about memory and disk of a node.
//! Source: kubernetes `pkg/kubelet/eviction/`, `pkg/controller/nodelifecycle/`, Linux `mm/oom_kill.c`.

use defib_model::signal::{Mark, Signal};

const fn signal(
    id: &'static str,
    anchor: &'static str,
    pattern: &'static str,
    unit: &'static str,
    source: &'static str,
) -> Signal {
    super::signal(id, anchor, pattern, unit, Mark::Cause, source)
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    signal(
        "kubelet.reclaims-disk",
        "to reclaim",
        r"must evict pod\(s\) to reclaim.{0,4} resourceName=.{0,2}(ephemeral-storage|nodefs|imagefs|inodes)",
        "kubelet",
        "kubernetes: pkg/kubelet/eviction/eviction_manager.go",
    ),
    signal(
        "kubelet.nfs-helper-missing",
        "helper program",
        r"(?:nfs.*|/sbin/mount\.<type> )helper program",
        "kubelet, csi-driver-nfs",
        "util-linux: libmount/src/context_mount.c, quoted by kubernetes pkg/volume/nfs",
    ),
    signal(
        "kubelet.nfs-no-address",
        "NFS: mount program didn",
        "NFS: mount program didn't pass remote address",
        "kubelet, kernel, csi-driver-nfs",
        "Linux: fs/nfs/fs_context.c, quoted by util-linux and the kubelet",
    ),
    signal(
        "kubelet.nfs-refused",
        "by server while mounting ",
        r#"access denied by server while mounting ([^\s"'\\,;}]+)"#,
        "kubelet, csi-driver-nfs",
        "nfs-utils: utils/mount/error.c",
    ),
    signal(
        "cni.range-exhausted",
        "no IP addresses available in range set",
        "",
        "kubelet, containerd",
        "containernetworking/plugins: plugins/ipam/host-local/backend/allocator/allocator.go",
    ),
    signal(
        "kcm.all-nodes-not-ready",
        "Entering master disruption mode",
        "",
        "kube-controller-manager",
        "kubernetes: pkg/controller/nodelifecycle/node_lifecycle_controller.go",
    ),
    signal(
        "kcm.some-nodes-ready",
        "Exiting master disruption mode",
        "",
        "kube-controller-manager",
        "kubernetes: pkg/controller/nodelifecycle/node_lifecycle_controller.go",
    ),
    signal(
        "kernel.oom-global",
        "ut of memory: Kill",
        r"Out of memory: Kill(?:ed)? process \d+ \(([^)]+)\)",
        "kernel",
        "Linux: mm/oom_kill.c",
    ),
    signal(
        "kernel.oom-machine",
        "oom-kill:constraint=",
        r"oom-kill:constraint=CONSTRAINT_NONE\b.*\bglobal_oom\b",
        "kernel",
        "Linux: mm/oom_kill.c (dump_oom_summary)",
    ),
    signal(
        "kubelet.gc-over",
        "over the high threshold, trying to free",
        "",
        "kubelet",
        "kubernetes: pkg/kubelet/images/image_gc_manager.go",
    ),
    signal(
        "kubelet.gc-over-percent",
        "which is over the high threshold (",
        r"isk usage on image filesystem is at (\d+)% which is over the high threshold \((\d+)%\)",
        "kubelet",
        "kubernetes: pkg/kubelet/images/image_gc_manager.go (≤1.21)",
    ),
    signal(
        "kubelet.gc-failed",
        "mage garbage collection failed multiple times in a row",
        "",
        "kubelet",
        "kubernetes: pkg/kubelet/kubelet.go",
    ),
    signal(
        "kubelet.gc-short",
        "garbage collect required amount of images",
        r"(?i)anted to free (\d+) bytes, but freed (\d+) bytes",
        "kubelet",
        "kubernetes: pkg/kubelet/images/image_gc_manager.go (≤1.34)",
    ),
    signal(
        "kubelet.gc-insufficient",
        "image filesystem",
        r"(?i)insufficient free disk space on the node's image filesystem",
        "kubelet",
        "kubernetes: pkg/kubelet/images/image_gc_manager.go (1.35)",
    ),
    signal(
        "kubelet.has-disk-pressure",
        "NodeHasDiskPressure",
        "",
        "kubelet",
        "kubernetes: pkg/kubelet/nodestatus/setters.go",
    ),
    signal(
        "kubelet.low-on-disk",
        "was low on resource: ",
        r"low on resource: \[?(?:ephemeral-storage|nodefs|imagefs|inodes|DiskPressure)",
        "kubelet",
        "kubernetes: pkg/kubelet/eviction/helpers.go",
    ),
    signal(
        "kubelet.had-disk-pressure",
        "had condition: [",
        r"had condition: \[[^\]]*DiskPressure",
        "kubelet",
        "kubernetes: pkg/kubelet/eviction/eviction_manager.go",
    ),
    signal(
        "scheduler.disk-pressure",
        "node.kubernetes.io/disk-pressure",
        r"had (?:untolerated )?taint \{node\.kubernetes\.io/disk-pressure",
        "kubelet",
        "kubernetes: pkg/scheduler/framework/plugins/tainttoleration",
    ),
    signal(
        "systemd.oom-killed",
        "oom-kill",
        r"(\S+\.service): Failed with result 'oom-kill'",
        "systemd",
        "systemd: src/core/unit.c",
    ),
    signal(
        "systemd.oom-unit",
        "killed by the OOM killer",
        r"(\S+\.(?:service|scope)): A process of this unit has been killed by the OOM killer",
        "systemd",
        "systemd: src/core/cgroup.c",
    ),
    signal(
        "systemd.oomd",
        " due to memory ",
        r"Killed (\S+) due to memory (?:pressure for|used )",
        "systemd",
        "systemd: src/oom/oomd-manager.c",
    ),
    signal(
        "kernel.oom-unit",
        "oom-kill:constraint=",
        r"oom-kill:constraint=CONSTRAINT_MEMCG\b.*oom_memcg=\S*?/([\w@.:-]+\.service)\b\S*?,task=([^,]+)",
        "kernel",
        "Linux: mm/oom_kill.c",
    ),
    signal(
        "kernel.oom-in-group",
        " mem_cgroup_out_of_memory+",
        "",
        "kernel",
        "Linux: mm/memcontrol.c",
    ),
    signal(
        "kernel.oom-in-container",
        " cpuset=",
        r"(\S+) cpuset=(?:[0-9a-f]{64}|(?:cri-containerd|docker|crio)-[0-9a-f]{64}\S*|\S*kubepods\S*) mems_allowed=",
        "kernel",
        "Linux: kernel/cgroup/cpuset.c (cpuset_print_current_mems_allowed)",
    ),
    signal(
        "kernel.oom-pod",
        "oom-kill:constraint=",
        r"oom-kill:constraint=CONSTRAINT_MEMCG\b.*oom_memcg=\S*kubepods",
        "kernel",
        "Linux: mm/oom_kill.c",
    ),
];
