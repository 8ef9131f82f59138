//! What the site around a cluster does to it: SELinux, the kernel's limits for watches, DHCP clients, HTTP
//! proxies, and clients that reach a host and not its port.
//! Source: Linux `security/selinux/avc.c`, `fs/notify/inotify/inotify_user.c`; fsnotify `backend_inotify.go`;
//! dhcpcd `src/{dhcp,ipv4,ipv4ll}.c`; NetworkManager `src/core/dhcp`; systemd `src/network`; ConnMan `src/rtnl.c`;
//! grpc-go `internal/transport/proxy.go`; Go `net/http/transport.go`; curl `lib/connect.c`; flannel `pkg/ip/iface.go`.

use defib_model::signal::{Mark, Signal};

use super::signal;

/// Of a limit of inotify every program may say that it met it.
const fn watch(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    signal(
        id,
        anchor,
        pattern,
        "any program",
        Mark::Cause,
        "Linux: fs/notify/inotify/inotify_user.c; fsnotify: backend_inotify.go; cAdvisor: utils/inotify; dotnet/runtime: FileSystemWatcher.Linux.cs; systemd: src/basic; chokidar, watchdog, notify-rs",
    )
}

/// A program of the host that gives addresses to an interface which belongs to a network plugin.
const fn gives(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    signal(
        id,
        anchor,
        pattern,
        "dhcpcd, networkmanager, systemd-networkd, connmand",
        Mark::Symptom,
        "dhcpcd: src/dhcp.c, src/ipv4.c, src/ipv4ll.c; NetworkManager: src/core/dhcp/nm-dhcp-client.c; systemd: src/network/networkd-dhcp4.c; ConnMan: src/rtnl.c",
    )
}

/// Go's HTTP client ends with the bare words of the proxy's status where a proxy refuses to connect.
const fn refusal(id: &'static str, anchor: &'static str, pattern: &'static str) -> Signal {
    signal(
        id,
        anchor,
        pattern,
        "k3s, etcd, kubelet, apiserver",
        Mark::Symptom,
        "Go: net/http/transport.go (dialConn)",
    )
}

/// The table.
pub static SIGNALS: &[Signal] = &[
    signal(
        "selinux.denied",
        "tclass=",
        r"avc: +denied +\{ ?([\w ]+?) ?\}.*?scontext=(\S+) tcontext=(\S+) tclass=(\w+)(?:.*? permissive=(\d))?",
        "kernel",
        Mark::Cause,
        "Linux: security/selinux/avc.c (avc_audit_pre_callback, avc_audit_post_callback)",
    ),
    signal(
        "selinux.prevents",
        "SELinux is preventing ",
        r"SELinux is preventing (\S+) from (.+?) access",
        "kernel, systemd",
        Mark::Symptom,
        "setroubleshoot: framework/src/setroubleshoot/signature.py",
    ),
    watch(
        "inotify.errno",
        "notify",
        r"(?i)\b(?:inotify|fsnotify)\b.{0,160}?(too many open files|no space left on device)",
    ),
    watch(
        "inotify.call",
        "notify_",
        r"(?i)inotify_(?:init1?|add_watch)\b.{0,240}?(too many open files|no space left on device)",
    ),
    watch(
        "inotify.words",
        "inotify ",
        r"(?i)inotify (instances?|watch(?:es)?)(?: limit)?(?: has been)? reached",
    ),
    watch(
        "inotify.watchers",
        "file watch",
        r"(?i)(number of file watchers|file watch limit) reached",
    ),
    watch(
        "inotify.systemd",
        "directory watch",
        r"(?i)directory watch: (too many open files|no space left on device)",
    ),
    // Its first act on files is to watch them, and it hands the kernel's word on bare.
    signal(
        "inotify.promtail",
        "file target manager: too many open files",
        "",
        "promtail",
        Mark::Cause,
        "Loki: clients/pkg/promtail/targets/file/filetargetmanager.go",
    ),
    watch(
        "files.too-many",
        "oo many open files",
        r"(?i)\b(accept4?|socket|open|openat|pipe2?|dup|epoll_create1?|eventfd2?)\b[^,;]{0,120}: too many open files",
    ),
    gives(
        "dhcp.dhcpcd",
        "dhcpcd",
        r"dhcpcd(?:-\w+)?(?:\[\d+\])?: ((?:flannel|cni|veth|cali|cilium|lxc|kube-|tunl|vxlan)[\w.@-]*): (using static address|leased|adding default route|using IPv4LL address|adding IP address)",
    ),
    gives(
        "dhcp.networkmanager",
        "NetworkManager",
        r"dhcp[46] \(((?:flannel|cni|veth|cali|cilium|lxc|kube-|tunl|vxlan)[\w.@-]*)\):?(.{0,80})",
    ),
    gives(
        "dhcp.networkd",
        "systemd-networkd",
        r"systemd-networkd(?:\[\d+\])?: ((?:flannel|cni|veth|cali|cilium|lxc|kube-|tunl|vxlan)[\w.@-]*): (DHCPv[46] address|DHCPv4 lease)",
    ),
    gives(
        "dhcp.connman",
        "connmand",
        r"connmand(?:\[\d+\])?: ((?:flannel|cni|veth|cali|cilium|lxc|kube-|tunl|vxlan)[\w.@-]*) \{add\} (route 0\.0\.0\.0)",
    ),
    signal(
        "flannel.addresses",
        "link has incompatible addresses",
        "",
        "k3s, flannel",
        Mark::Symptom,
        "flannel: pkg/ip/iface.go (EnsureV4AddressOnLink)",
    ),
    signal(
        "proxy.handshake",
        "failed to do connect handshake",
        r"(failed to do connect handshake.*)",
        "k3s, etcd, apiserver, kubelet",
        Mark::Cause,
        "grpc-go: internal/transport/proxy.go (doHTTPConnectHandshake)",
    ),
    signal(
        "proxy.dial",
        "proxyconnect tcp",
        r#"https?://([\w.-]+|\[[\da-f:]+\]):?(\d*)[/"\s].*?proxyconnect tcp"#,
        "k3s, etcd, apiserver, kubelet",
        Mark::Symptom,
        "Go: net/http/transport.go (wrapErr)",
    ),
    refusal(
        "proxy.forbidden",
        "Forbidden",
        r#"(?:Get|Post|Put|Head|Patch|Delete) "?https?://([\w.-]+|\[[\da-f:]+\]):(\d+)[^"\s]*"?: Forbidden\b"#,
    ),
    refusal(
        "proxy.unavailable",
        "Service Unavailable",
        r#"(?:Get|Post|Put|Head|Patch|Delete) "?https?://([\w.-]+|\[[\da-f:]+\]):(\d+)[^"\s]*"?: Service Unavailable\b"#,
    ),
    refusal(
        "proxy.gateway",
        " Gateway",
        r#"(?:Get|Post|Put|Head|Patch|Delete) "?https?://([\w.-]+|\[[\da-f:]+\]):(\d+)[^"\s]*"?: Bad Gateway\b"#,
    ),
    refusal(
        "proxy.authentication",
        "Proxy Authentication Required",
        r#"(?:Get|Post|Put|Head|Patch|Delete) "?https?://([\w.-]+|\[[\da-f:]+\]):(\d+)[^"\s]*"?: Proxy Authentication Required"#,
    ),
    signal(
        "client.no-route",
        "o route to host",
        r"(?i)connect to (\S+) (?:\(\S+\) )?port (\d+)(?: from \S+ port \d+)?(?: \(\w+\))? failed: no route to host",
        "any program",
        Mark::Symptom,
        "curl: lib/cf-socket.c; netcat-openbsd: netcat.c",
    ),
    signal(
        "client.gave-up",
        "Failed to connect to ",
        r"Failed to connect to (\S+) port (\d+)(?: after (\d+) ms)?",
        "any program",
        Mark::Symptom,
        "curl: lib/connect.c",
    ),
    signal(
        "tls.no-ip-sans",
        "contain any IP SANs",
        r"cannot validate certificate for (\S+) because it doesn't contain any IP SANs",
        "any client of the API",
        Mark::Symptom,
        "Go crypto/x509/verify.go (HostnameError)",
    ),
    signal(
        "tls.no-names",
        "valid for any names, but wanted",
        r"certificate is not valid for any names, but wanted to match (\S+)",
        "any client of the API",
        Mark::Symptom,
        "Go crypto/x509/verify.go (HostnameError)",
    ),
    signal(
        "kubeconfig.server",
        "server: ",
        r##"^\s*-?\s*server: "?https://([^\s"#/]+)"##,
        "any client of the API",
        Mark::Progress,
        "kubernetes: client-go tools/clientcmd/api/v1/types.go",
    ),
    signal(
        "resolv.search",
        "search ",
        r"(?:^|\\n|\s)search ((?:[a-z0-9-]+\.)+[a-z0-9-]+(?: (?:[a-z0-9-]+\.)+[a-z0-9-]+)*)",
        "any program",
        Mark::Progress,
        "resolv.conf(5)",
    ),
    signal(
        "service.selector-words",
        "selector",
        r"(?:^|[^-\w])selector:? (?:is )?([a-z0-9][\w./-]*)=([\w.-]+)",
        "any client of the API",
        Mark::Progress,
        "kubernetes: kubectl pkg/describe/describe.go (Selector)",
    ),
    signal(
        "iscsi.client-missing",
        "iscsiadm",
        r#"(?i)(failed to execute \S*iscsiadm: No such file|iscsiadm/open-iscsi installed on the host|iscsiadm['"]?: (?:executable file |command )?not found|iscsiadm['"]?: (?:stat \S+: )?No such file or directory)"#,
        "longhorn-manager, kubelet, openebs, democratic-csi",
        Mark::Cause,
        "longhorn-manager: app/daemon.go; util-linux: sys-utils/nsenter.c; kubernetes: pkg/volume/iscsi/iscsi_util.go; Go os/exec",
    ),
    signal(
        "traefik.cross-namespace",
        "with crossnamespace disallowed",
        r"invalid reference to (\w+) (\S+): with crossnamespace disallowed",
        "traefik",
        Mark::Cause,
        "traefik: pkg/provider/kubernetes/crd/kubernetes_http.go (makeMiddlewareKeys)",
    ),
    signal(
        "traefik.other-namespace",
        " is not in the ",
        r"(middleware|service|tcp service|udp service|TLSOption|ServersTransport\w*) (\S+) is not in the (?:IngressRoute|parent resource) namespace (\S+)",
        "traefik",
        Mark::Cause,
        "traefik: pkg/provider/kubernetes/crd/kubernetes_http.go, kubernetes_tcp.go, kubernetes_udp.go (isNamespaceAllowed)",
    ),
    signal(
        "traefik.service-elsewhere",
        "not in the parent resource namespace",
        r"(service) (\S+) not in the parent resource namespace (\S+)",
        "traefik",
        Mark::Cause,
        "traefik: pkg/provider/kubernetes/crd/kubernetes_http.go (configBuilder)",
    ),
    signal(
        "cert-manager.issuer-missing",
        "ssuer.cert",
        r#"((?:cluster)?issuer\.cert-?manager\.(?:k8s\.)?io "[^"]+" not found)"#,
        "cert-manager",
        Mark::Symptom,
        "cert-manager: pkg/issuer/helper.go (GetGenericIssuer); apimachinery: api/errors (NewNotFound)",
    ),
    signal(
        "kubectl.issuer-applied",
        "issuer",
        r#"^\W*((?:cluster)?issuer)(?:\.cert-?manager\.(?:k8s\.)?io)?(?:/| ")([a-z0-9.-]+)"? (?:created|configured|unchanged|serverside-applied)"#,
        "any client of the API",
        Mark::Progress,
        "kubernetes: cli-runtime pkg/printers/name.go",
    ),
];
