package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A host with everything passes; one that lacks options, a controller and iptables fails by as many.
func TestCheckConfigCountsWhatIsMissing(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var config strings.Builder
	for _, name := range append(append([]string{}, needed...), optional...) {
		config.WriteString("CONFIG_" + name + "=y\n")
	}
	config.WriteString("CONFIG_VXLAN=m\nCONFIG_OVERLAY_FS=m\n")
	write("boot/config-6.1", config.String())
	write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
	write("proc/swaps", "Filename Type Size Used Priority\n")
	write("proc/sys/kernel/keys/root_maxkeys", "1000000\n")
	write("proc/net/route", "Iface Destination\neth0 0001A8C0\ncni0 00002A0A\n")
	t.Setenv("CONFIG", "")

	var out bytes.Buffer
	whole := checkedHost{root: root, release: "6.1", iptables: "iptables v1.8.9 (nf_tables)"}
	if failed := checkConfig(&out, whole); failed != 0 {
		t.Fatalf("%d fail:\n%s", failed, out.String())
	}
	for _, row := range []string{"- CONFIG_VXLAN: enabled (as module)\n", "- swap: disabled\n", "- routes: ok\n", "STATUS: pass\n"} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("%q is not in\n%s", row, out.String())
		}
	}

	write("boot/config-6.1", strings.ReplaceAll(config.String(), "CONFIG_BRIDGE_NETFILTER=y\n", "# CONFIG_BRIDGE_NETFILTER is not set\n"))
	write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n")
	write("proc/net/route", "Iface Destination\neth0 00002A0A\n")
	out.Reset()
	if failed := checkConfig(&out, checkedHost{root: root, release: "6.1"}); failed != 3 {
		t.Fatalf("%d fail:\n%s", failed, out.String())
	}
	for _, row := range []string{"- CONFIG_BRIDGE_NETFILTER: missing (fail)\n", "controllers status: bad (fail)\n", "- iptables: not found (fail)\n", "already routed\n", "STATUS: 3 (fail)\n"} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("%q is not in\n%s", row, out.String())
		}
	}

	out.Reset()
	if failed := checkConfig(&out, checkedHost{root: t.TempDir(), release: "6.1", iptables: "iptables v1"}); failed != 1 || !strings.Contains(out.String(), "cannot find kernel config") {
		t.Errorf("%d fail:\n%s", failed, out.String())
	}
}
