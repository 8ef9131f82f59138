//! The network of a host and of its pods: CNI, flannel, packet filters, routes, packets on the wire.
//! Source: containerd `vendor/github.com/containerd/go-cni`; containernetworking `libcni`, `plugins`;
//! flannel `pkg/{subnet,ip,backend}`; k3s `pkg/agent/flannel`; apimachinery `pkg/util/net/interface.go`;
//! iptables; ufw; firewalld; tcpdump `print-udp.c`, `print-icmp.c`; iputils `ping`; Linux `net/ipv4/udp.c`;
//! MetalLB `speaker/`, `controller/`.

use defib_model::signal::{Mark, Signal};

const fn cni(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "kubelet, containerd, k3s, flannel",
        Mark::Symptom,
        "containerd: go-cni/errors.go; libcni: api.go; flannel: pkg/subnet/kube/kube.go, pkg/ip/iface.go; k3s: pkg/agent/flannel",
    )
}

const fn filter(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "kernel, k3s, flannel, kubelet, systemd",
        Mark::Cause,
        "iptables: iptables/nft.c, xtables-save.c; ufw: src/backend_iptables.py; firewalld: core/nftables.py",
    )
}

const fn balancer(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "haproxy",
        Mark::Symptom,
        "HAProxy: src/server.c (srv_update_status), src/backend.c",
    )
}

const fn wire(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "kernel",
        Mark::Symptom,
        "tcpdump: print-udp.c, print-icmp.c; iputils: ping; Linux: net/ipv4/udp.c; iproute2: ip/ipaddress.c",
    )
}

const fn lb(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    super::signal(
        id,
        anchor,
        pattern,
        "metallb, speaker, controller",
        Mark::Symptom,
        "MetalLB: speaker/main.go, speaker/layer2_controller.go, speaker/bgp_controller.go",
    )
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    cni("cni.not-initialized", "cni plugin not initialized", ""),
    cni("cni.config-uninitialized", "cni config uninitialized", ""),
    cni("cni.no-config", "no network config found in", ""),
    cni("cni.no-networks", "no networks found in", ""),
    cni(
        "cni.no-plugin",
        "failed to find plugin ",
        r#"failed to find plugin "([^"]+)" in path"#,
    ),
    cni(
        "flannel.subnet-env",
        "open /run/flannel/subnet.env: no such file",
        "",
    ),
    cni("flannel.runs", "Running flannel backend", ""),
    cni(
        "kubelet.became-ready",
        "updating node status as it just became ready",
        "",
    ),
    cni(
        "flannel.exited",
        "flannel exited: ",
        r"flannel exited: (.+)",
    ),
    cni("flannel.vxlan", "failed to create vxlan device", ""),
    cni("flannel.no-cidr", "pod cidr not assigned", ""),
    cni(
        "flannel.other-net",
        "specified in the flannel net config",
        r"(\S+) specified in the flannel net config doesn't contain (\S+) PodCIDR",
    ),
    cni(
        "cni.bridge-address",
        "already has an IP address different from",
        r#""?(\w+)"? already has an IP address different from (\S+)"#,
    ),
    cni(
        "cni.network",
        "Network",
        r#"^[^a-z]*"Network": ?"(\d+\.\d+\.\d+\.\d+/\d+)""#,
    ),
    cni(
        "cni.flannel-network",
        "FLANNEL_NETWORK=",
        r"FLANNEL_NETWORK=(\d+\.\d+\.\d+\.\d+/\d+)",
    ),
    cni(
        "cni.pool",
        "cidr: ",
        r#"^\s*-?\s*cidr: "?(\d+\.\d+\.\d+\.\d+/\d+)"?\s*$"#,
    ),
    cni(
        "route.none",
        "default route",
        r"(?i)(unable to select an IP from default routes|no default routes? found|unable to find (?:a )?default route|no default route)",
    ),
    cni(
        "route.no-interface",
        "default interface",
        r"(?i)(?:failed to get|failed to find|couldn't (?:determine|find)) (?:the )?default interface",
    ),
    cni(
        "flannel.iface-missing",
        "no such network interface",
        r"(?:unable to find interface|looking up interface|from interface name|interface)(?: ([\w@.-]+))?(?: does not have a correct global unicast ip)?: route ip\+net: no such network interface",
    ),
    cni(
        "flannel.iface-no-address",
        " for interface ",
        r"(?:failed to find IPv[46] address|can't find ip) for interface ([\w@.-]+)",
    ),
    filter(
        "iptables.generation",
        "Could not fetch rule set generation id",
        r"Could not fetch rule set generation id: (\w+)",
    ),
    filter("iptables.legacy-present", "legacy tables present", ""),
    filter(
        "iptables.incompatible",
        "is incompatible, use ",
        r"is incompatible, use '?nft",
    ),
    // Before 1.8 there was one backend, and no word for it behind the version.
    super::signal(
        "iptables.old-without-tables",
        "can't initialize ip",
        r"ip6?tables\S* v1\.[0-7]\.\d+: can't initialize ip6?tables table .*Table does not exist",
        "any program",
        Mark::Symptom,
        "iptables: iptables/iptables.c",
    ),
    filter(
        "iptables.is-legacy",
        " (legacy)",
        r"ip6?tables\S* v(\S+) \(legacy\)",
    ),
    filter(
        "iptables.is-nft",
        " (nf_tables)",
        r"ip6?tables\S* v(\S+) \(nf_tables\)",
    ),
    filter("firewall.reject", "icmp-host-prohibited", ""),
    filter(
        "firewall.admin",
        "admin-prohibited",
        r"icmp6?-adm(?:in)?-prohibited|icmpx?.*admin-prohibited",
    ),
    filter(
        "firewall.ufw",
        "[UFW BLOCK]",
        r"\[UFW BLOCK\] IN=(\S*) OUT=(\S*).*?SRC=(\S+) DST=(\S+).*?(?:DPT=(\d+)|$)",
    ),
    filter(
        "firewall.firewalld",
        "REJECT",
        r"(?:filter_\w*REJECT|FINAL_REJECT|_REJECT): ?IN=(\S*) OUT=(\S*).*?SRC=(\S+) DST=(\S+)",
    ),
    filter(
        "firewall.ufw-active",
        "Status: active",
        r"^\s*Status: active\s*$",
    ),
    // Source: iputils `tracepath.c`.
    wire("net.path-mtu", "Resume: pmtu ", r"Resume: pmtu (\d+)"),
    // Whoever calls says so of its own call.
    Signal {
        id: "net.no-route",
        anchor: "no route to host",
        pattern: r"(?:dial tcp|dial udp|->|connect to) ?\[?(\d+\.\d+\.\d+\.\d+):(\d+).{0,40}no route to host",
        unit: "any program",
        mark: Mark::Symptom,
        versions: "",
        source: "Go: net.OpError; errno(3) EHOSTUNREACH",
    },
    wire(
        "net.pod-timeout",
        "i/o timeout",
        r"(?:dial (?:tcp|udp)|->|lookup \S+ on) ?(10\.\d+\.\d+\.\d+):(\d+).{0,60}i/o timeout",
    ),
    wire(
        "net.prohibited",
        "admin prohibited",
        r"(?:host (\S+) )?unreachable - admin prohibited",
    ),
    wire(
        "net.bad-vxlan",
        "bad udp cksum",
        r"\.(?:8472|4789|otv|vxlan): .*bad udp cksum",
    ),
    wire(
        "net.bad-checksum",
        "bad checksum. From ",
        r"bad checksum\. From \S+ to \S+?:(?:8472|4789)\b",
    ),
    wire(
        "net.frag-needed",
        "rag needed and DF set",
        r"rag needed and DF set(?: \(mtu = (\d+)\))?",
    ),
    wire(
        "net.need-frag",
        "need to frag",
        r"unreachable - need to frag \(mtu (\d+)\)",
    ),
    wire(
        "net.too-long",
        "essage too long",
        r"essage too long,? mtu ?[=:] ?(\d+)",
    ),
    wire(
        "net.link",
        "> mtu ",
        r"^\s*\d+: ([^:@\s]+)(?:@\S+)?: <([^>]*)> mtu (\d+)",
    ),
    super::signal(
        "cilium.policy-denied",
        "Policy denied",
        r"(?:([^\s/]+)/([^:\s]+):\d+ \([^)]*\) (?:<>|->) ([^\s/]+)/([^:\s]+):(\d+) \([^)]*\) Policy denied DROPPED|drop \(Policy denied\b.* ([0-9a-f.:]+):\d+ -> ([0-9a-f.:]+):(\d+) (?:udp|tcp SYN)$|drop \(Policy denied\b.*)",
        "any program",
        Mark::Cause,
        "Cilium: hubble/pkg/printer/printer.go, pkg/monitor/datapath_drop.go",
    ),
    // With packets counted: `iptables-save -c`, `iptables -L -v`. Each pod that a policy selects has such a rule.
    super::signal(
        "kube-router.rejects",
        "rule to REJECT traffic destined for POD name:",
        r#"^(?:\[[1-9]\d*:\d+\] -A KUBE-POD-FW-|\s*[1-9]\d*[KMG]?\s+\S+\s+REJECT\s).*rule to REJECT traffic destined for POD name:(\S+) namespace: ?([a-z0-9-]+)"#,
        "any program",
        Mark::Cause,
        "kube-router, which k3s embeds: pkg/controllers/netpol/pod.go",
    ),
    balancer(
        "balancer.no-server",
        "has no server available",
        r"backend (\S+) has no server available",
    ),
    balancer(
        "balancer.server-down",
        "is DOWN, reason",
        r"Server (\S+) is DOWN, reason: ([^,.]+)",
    ),
    balancer(
        "balancer.maintenance",
        "is going DOWN for maintenance",
        r"Server (\S+) is going DOWN for maintenance",
    ),
    balancer(
        "balancer.server-up",
        "is UP, reason",
        r"Server (\S+) is UP, reason",
    ),
    balancer(
        "balancer.server-ready",
        "is UP/READY",
        r"Server (\S+) is UP/READY",
    ),
    wire("net.vxlan-dev", "vxlan id ", r"vxlan id \d+ .*?\bdev (\S+)"),
    cni(
        "scheduler.no-free-port",
        "free ports for the requested pod ports",
        "",
    ),
    cni("lb.svclb", "svclb-", r"\b(svclb-[a-z0-9-]+)"),
    cni(
        "registry.file",
        "registries.",
        r"((?:/[\w.-]+)*/)?(registries\.(?:ya?ml|json))\b",
    ),
    // Names that people give it: `/registry/` stands in every line of a slow etcd, so each has its own anchor.
    cni(
        "registry.file.yaml",
        "registry.y",
        r"((?:/[\w.-]+)*/)?(registry\.ya?ml)\b",
    ),
    cni(
        "registry.file.json",
        "registry.json",
        r"((?:/[\w.-]+)*/)?(registry\.json)\b",
    ),
    cni(
        "registry.file.misspelt",
        "registeries.",
        r"((?:/[\w.-]+)*/)?(registeries\.(?:ya?ml|json))\b",
    ),
    cni(
        "registry.containerd-own",
        "/etc/containerd/",
        r"(?:^|[^\w/])/etc/containerd/(config\.toml|certs\.d)",
    ),
    cni(
        "registry.docker",
        "/etc/docker/",
        r"/etc/docker/(?:daemon\.json|certs\.d)",
    ),
    cni(
        "registry.runtime",
        "containerd://",
        r"(?i)runtime:? *containerd://(\S+)",
    ),
    cni("registry.skip-verify", "skip_verify: true", ""),
    cni("registry.docker-insecure", "insecure-registries", ""),
    lb(
        "metallb.excluded",
        "exclude",
        r"(?i)speaker's node (?:has|is|labell?ed).*exclude",
    ),
    lb(
        "metallb.not-owner",
        "notOwner",
        r#""reason":"notOwner"|reason=notOwner"#,
    ),
    lb(
        "metallb.withdrawn",
        "serviceWithdrawn",
        r#"serviceWithdrawn.*reason"?[:=]"?(\w+)"#,
    ),
    lb(
        "metallb.skipping",
        "skipping should announce",
        r#"skipping should announce (?:l2|bgp).*"reason":"([^"]+)""#,
    ),
    lb("metallb.no-pool-node", "pool not matching my node", ""),
];
