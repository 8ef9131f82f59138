package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// `k3s check-config`: what k3s wants of a host, a row each, and as its exit status how much of it is missing. Its
// sections, rows and words are k3s' (contrib/util/check-config.sh), as pastes of it show them.
//
// Deliberately absent: the hashes of unpacked binaries, which the stand-in does not have.

// needed are options of the kernel that k3s can't do without; optional ones are missed without a failure.
var (
	needed = strings.Fields(`NAMESPACES NET_NS PID_NS IPC_NS UTS_NS CGROUPS CGROUP_PIDS CGROUP_CPUACCT CGROUP_DEVICE
		CGROUP_FREEZER CGROUP_SCHED CPUSETS MEMCG KEYS VETH BRIDGE BRIDGE_NETFILTER IP_NF_FILTER IP_NF_TARGET_MASQUERADE
		NETFILTER_XT_MATCH_ADDRTYPE NETFILTER_XT_MATCH_CONNTRACK NETFILTER_XT_MATCH_IPVS NETFILTER_XT_MATCH_COMMENT
		NETFILTER_XT_MATCH_MULTIPORT IP_NF_NAT NF_NAT POSIX_MQUEUE`)
	optional = strings.Fields(`USER_NS SECCOMP BLK_CGROUP BLK_DEV_THROTTLING CGROUP_PERF CGROUP_HUGETLB NET_CLS_CGROUP
		CGROUP_NET_PRIO CFS_BANDWIDTH FAIR_GROUP_SCHED RT_GROUP_SCHED IP_NF_TARGET_REDIRECT IP_SET IP_VS IP_VS_NFCT
		IP_VS_PROTO_TCP IP_VS_PROTO_UDP IP_VS_RR EXT4_FS EXT4_FS_POSIX_ACL EXT4_FS_SECURITY`)
)

// checkedHost is where a check looks: a root of files, and what programs say.
type checkedHost struct {
	root     string
	release  string
	iptables string
}

func thisHost() checkedHost {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	iptables, _ := exec.Command("iptables", "--version").Output()
	return checkedHost{root: "/", release: string(bytes.TrimSpace(release)), iptables: string(bytes.TrimSpace(iptables))}
}

func runCheckConfig() {
	os.Exit(min(checkConfig(os.Stdout, thisHost()), 100))
}

func (h checkedHost) text(path string) string {
	text, _ := os.ReadFile(filepath.Join(h.root, path))
	return string(text)
}

// kernelConfig gives the kernel's configuration and where it stands; CONFIG names that the check was given go first.
func (h checkedHost) kernelConfig() (map[string]string, string, error) {
	places := []string{"proc/config.gz", "boot/config-" + h.release, "lib/modules/" + h.release + "/build/.config",
		"usr/src/linux-" + h.release + "/.config", "usr/src/linux/.config"}
	if given := os.Getenv("CONFIG"); given != "" {
		places = append([]string{given}, places...)
	}
	for _, place := range places {
		file, err := os.Open(filepath.Join(h.root, place))
		if err != nil {
			continue
		}
		defer file.Close()
		var reader io.Reader = file
		if strings.HasSuffix(place, ".gz") {
			if reader, err = gzip.NewReader(file); err != nil {
				return nil, "", fmt.Errorf("read %s: %w", place, err)
			}
		}
		set := map[string]string{}
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			if name, value, found := strings.Cut(lines.Text(), "="); found {
				set[strings.TrimPrefix(name, "CONFIG_")] = value
			}
		}
		return set, "/" + place, lines.Err()
	}
	return nil, "", fmt.Errorf("cannot find kernel config; try running this script again, specifying the kernel config: CONFIG=/path/to/kernel/.config k3s check-config")
}

// checkConfig writes the rows and gives the number of those that fail.
func checkConfig(out io.Writer, h checkedHost) int {
	failed := 0
	row := func(name, said string, good bool) {
		if !good {
			said += " (fail)"
			failed++
		}
		fmt.Fprintf(out, "- %s: %s\n", name, said)
	}
	fmt.Fprintf(out, "\nVerifying binaries in /var/lib/rancher/k3s/data/current/bin:\n")
	row("sha256sum", "sha256sums unavailable", true)
	row("links", "link list unavailable", true)

	fmt.Fprint(out, "\nSystem:\n")
	if h.iptables == "" {
		row("iptables", "not found", false)
	} else {
		row("/usr/sbin "+h.iptables, "ok", true)
	}
	if strings.Count(h.text("proc/swaps"), "\n") > 1 {
		row("swap", "should be disabled", true)
	} else {
		row("swap", "disabled", true)
	}
	if routed(h.text("proc/net/route")) {
		row("routes", "default CIDRs 10.42.0.0/16 or 10.43.0.0/16 already routed", true)
	} else {
		row("routes", "ok", true)
	}
	fmt.Fprint(out, "\nLimits:\n")
	row("/proc/sys/kernel/keys/root_maxkeys", strings.TrimSpace(h.text("proc/sys/kernel/keys/root_maxkeys")), true)

	config, place, err := h.kernelConfig()
	if err != nil {
		fmt.Fprintf(out, "\nerror: %v\n", err)
		return failed + 1
	}
	fmt.Fprintf(out, "\ninfo: reading kernel config from %s ...\n\nGenerally Necessary:\n", place)
	version, controllers := h.groups()
	state := "good"
	for _, name := range []string{"cpu", "cpuset", "memory"} {
		if !controllers[name] {
			state = "bad"
		}
	}
	row(fmt.Sprintf("cgroup hierarchy: cgroups %s mounted, cpu|cpuset|memory controllers status", version), state, state == "good")
	option := func(name string, must bool) {
		switch config[name] {
		case "y":
			row("CONFIG_"+name, "enabled", true)
		case "m":
			row("CONFIG_"+name, "enabled (as module)", true)
		default:
			row("CONFIG_"+name, "missing", !must)
		}
	}
	for _, name := range needed {
		option(name, true)
	}
	fmt.Fprint(out, "\nOptional Features:\n")
	for _, name := range optional {
		option(name, false)
	}
	fmt.Fprint(out, "- Network Drivers:\n  - \"overlay\":\n  ")
	option("VXLAN", false)
	fmt.Fprint(out, "- Storage Drivers:\n  - \"overlay\":\n  ")
	option("OVERLAY_FS", false)
	if failed == 0 {
		fmt.Fprint(out, "\nSTATUS: pass\n")
	} else {
		fmt.Fprintf(out, "\nSTATUS: %d (fail)\n", failed)
	}
	return failed
}

// groups gives the version of control groups in use, and its controllers.
func (h checkedHost) groups() (string, map[string]bool) {
	found := map[string]bool{}
	if second := h.text("sys/fs/cgroup/cgroup.controllers"); second != "" {
		for _, name := range strings.Fields(second) {
			found[name] = true
		}
		return "V2", found
	}
	for _, line := range strings.Split(h.text("proc/cgroups"), "\n") {
		if cells := strings.Fields(line); len(cells) == 4 && cells[3] == "1" {
			found[cells[0]] = true
		}
	}
	if _, err := os.Stat(filepath.Join(h.root, "sys/fs/cgroup/unified")); err == nil {
		return "Hybrid", found
	}
	return "V1", found
}

// routed says whether a route of the host lies in the ranges that k3s gives to pods and Services. Those of its own
// interfaces don't count.
func routed(table string) bool {
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Fields(line)
		if len(cells) < 2 || strings.HasPrefix(cells[0], "cni") || strings.HasPrefix(cells[0], "flannel") {
			continue
		}
		var raw uint32
		if _, err := fmt.Sscanf(cells[1], "%08X", &raw); err != nil {
			continue
		}
		target := netip.AddrFrom4([4]byte{byte(raw), byte(raw >> 8), byte(raw >> 16), byte(raw >> 24)})
		for _, own := range []string{"10.42.0.0/16", "10.43.0.0/16"} {
			if netip.MustParsePrefix(own).Contains(target) {
				return true
			}
		}
	}
	return false
}
