//! What a host says of its kernel: modules, control groups, IOMMU, forwarding, mounts.
//! Source: kmod `tools/modprobe.c`; k3s `pkg/agent/syssetup`, `pkg/cgroups`, `contrib/util/check-config.sh`;
//! kubernetes `cmd/kubeadm/app/preflight`, `pkg/kubelet/cm`; iptables `iptables/xtables.c`; QEMU `hw/vfio`;
//! Linux `kernel/cgroup`, `fs/overlayfs`.

use defib_model::signal::{Mark, Signal};

const fn modules(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "systemd, k3s, kubelet, kernel, flannel, containerd",
        Mark::Cause,
        "kmod: tools/modprobe.c; k3s: pkg/agent/syssetup/setup.go; iptables: libxtables/xtables.c",
    )
}

const fn cgroups(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "k3s, kubelet, kernel",
        Mark::Symptom,
        "k3s: pkg/cgroups/cgroups_linux.go; kubernetes: pkg/kubelet/cm; Linux: kernel/cgroup",
    )
}

const fn other(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "kernel, kubelet, systemd",
        Mark::Cause,
        "QEMU: hw/vfio; qemu-server: PVE/QemuServer/PCI.pm; kubernetes: cmd/kubeadm/app/preflight",
    )
}

const fn service_lb(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "any program",
        Mark::Cause,
        "klipper-lb: entry",
    )
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    modules(
        "module.not-found",
        "FATAL: Module ",
        r"FATAL: Module (\S+) not found",
    ),
    modules(
        "module.not-loaded",
        "Failed to load kernel module ",
        r"Failed to load kernel module (\S+) with modprobe",
    ),
    modules(
        "module.vxlan",
        "create vxlan device",
        r"failed to create vxlan device.*operation not supported",
    ),
    modules(
        "module.flannel-backend",
        "flannel exited: ",
        r"flannel exited: (?:.*: )?operation not supported",
    ),
    modules(
        "module.wireguard",
        "create wireguard interface",
        r"could not create wireguard interface.*operation not supported",
    ),
    modules(
        "module.bridge",
        "bridge-nf-call-ip",
        r"bridge-nf-call-ip6?tables.*(?i:no such file or directory|does not exist)",
    ),
    modules("module.table", "do you need to insmod", r"table `?(\w+)'?"),
    modules(
        "module.extension",
        "missing kernel module",
        r"Extension (\S+) .*missing kernel module",
    ),
    modules(
        "module.overlay",
        "failed to mount overlay",
        r"failed to mount overlay.*no such device",
    ),
    cgroups("cgroup.memory-missing", "ailed to find memory cgroup", ""),
    cgroups(
        "cgroup.subsystem-missing",
        "group subsystem not mounted",
        r"group subsystem not mounted: .*memory",
    ),
    cgroups(
        "cgroup.required-missing",
        "required cgroup",
        r"missing (?:required|optional) cgroups?: .*memory",
    ),
    cgroups("cgroup.preflight", "CGROUPS_MEMORY: missing", ""),
    cgroups("cgroup.built-without", "CONFIG_MEMCG: missing", ""),
    cgroups(
        "cgroup.check",
        "cgroup memory",
        r"cgroup memory.{0,12}missing",
    ),
    cgroups(
        "cgroup.v1-table",
        "#subsys_name",
        r"#subsys_name\s+hierarchy\s+num_cgroups\s+enabled",
    ),
    cgroups(
        "cgroup.v1-row",
        "memory\t",
        r"^\s*memory\s+\d+\s+\d+\s+([01])\s*$",
    ),
    cgroups(
        "cgroup.v1-row-spaced",
        "memory ",
        r"^\s*memory\s+\d+\s+\d+\s+([01])\s*$",
    ),
    cgroups(
        "cgroup.v2-controllers",
        "cpuset cpu io",
        r"^[^a-z]*cpuset cpu io( memory)?(?: [a-z]+)*\s*$",
    ),
    cgroups(
        "cgroup.own-line",
        "cgroup_enable=memory",
        r"^\s*(?:cgroup_\w+=\w+\s*)+$",
    ),
    cgroups("cgroup.kernel-line", "cgroup_disable=memory", ""),
    other("iommu.no-group", "no iommu_group found", ""),
    // Harvester's pcidevices, of a device that is to be passed through.
    other(
        "iommu.no-group-available",
        "has no iommuGroup available",
        "",
    ),
    other("iommu.not-present", "IOMMU not present", ""),
    other("iommu.not-detected", "No IOMMU detected", ""),
    other(
        "iommu.disabled",
        "IOMMU disabled",
        r"(?:DMAR|AMD-Vi|BIOS).*IOMMU disabled",
    ),
    other(
        "forward.preflight",
        "contents are not set to 1",
        r"(?:ip_forward|forwarding|bridge-nf-call-ip6?tables) contents are not set to 1",
    ),
    // The trace of klipper-lb's script, the pods of k3s' load balancer: what it reads is the kernel's setting.
    service_lb(
        "forward.service-lb",
        "cat /proc/sys/net/ipv4/ip_forward",
        r"\+ cat /proc/sys/net/ipv4/ip_forward\s*$",
    ),
    service_lb("forward.is-not-one", "' 0 '!=' 1 ]", ""),
    other(
        "forward.docker",
        "forwarding is disabled",
        r"IPv4 forwarding is disabled",
    ),
];
