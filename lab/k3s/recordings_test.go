package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The recordings of a real k3s 1.35 against the stand-in: which lines there are, in which order the
// key lines come, the command lines of the parts, the files. The recordings are no part of the
// product: DEFIB_SHARED names the folder that holds `incidents`, else it is looked for beside the
// repository.

func incidents() string {
	if folder := os.Getenv("DEFIB_SHARED"); folder != "" {
		return filepath.Join(folder, "incidents")
	}
	return filepath.Join("..", "..", "..", "shared", "incidents")
}

// recording reads the k3s lines of one process out of a journal.
func recording(t *testing.T, journal string, pid int) []line {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(incidents(), journal))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("SKIPPED: no recording %s; set DEFIB_SHARED to the folder that holds `incidents`", journal)
	}
	if err != nil {
		t.Fatal(err)
	}
	mark := fmt.Sprintf(" k3s[%d]: ", pid)
	lines := []line{}
	for _, text := range strings.Split(string(content), "\n") {
		if _, after, found := strings.Cut(text, mark); found {
			if l, ok := parseLine(after, "/var/lib/rancher/k3s", "/etc/rancher"); ok {
				lines = append(lines, l)
			}
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%s has no line of process %d", journal, pid)
	}
	return lines
}

// line is a logrus line with all that differs from run to run taken out.
type line struct {
	level, shape string
	args         []string // of `Running …`
}

var (
	logrusLine = regexp.MustCompile(`^time="[^"]*" level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S+)`)
	addresses  = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`)
	members    = regexp.MustCompile(`\bn\d-[0-9a-f]{8}\b`)
	nodes      = regexp.MustCompile(`\bn\d\b`)
	maps       = regexp.MustCompile(`map\[.*\]`)
	numbers    = regexp.MustCompile(`\d+`)
	validity   = regexp.MustCompile(`: notBefore=.*`)
	bodies     = regexp.MustCompile(`an error on the server \(.*\) has prevented`)
)

func parseLine(text, data, etc string) (line, bool) {
	m := logrusLine.FindStringSubmatch(text)
	if m == nil {
		return line{}, false
	}
	message := m[2]
	if unquoted, err := strconv.Unquote(message); err == nil {
		message = unquoted
	}
	message = strings.ReplaceAll(strings.ReplaceAll(message, data, "$D"), etc, "/etc/rancher")
	l := line{level: m[1]}
	if rest, found := strings.CutPrefix(message, "Running "); found {
		l.args = strings.Fields(addresses.ReplaceAllString(rest, "IP"))[1:]
		message = "Running " + strings.Fields(rest)[0]
	}
	message = validity.ReplaceAllString(message, "")
	message = maps.ReplaceAllString(message, "map[]")
	message = bodies.ReplaceAllString(message, "an error on the server (…) has prevented")
	message = addresses.ReplaceAllString(message, "IP")
	message = members.ReplaceAllString(message, "MEMBER")
	message = nodes.ReplaceAllString(message, "NODE")
	message = strings.NewReplacer("v1.35.5+k3s1 (HEAD)", "VERSION", version(), "VERSION").Replace(message)
	l.shape = numbers.ReplaceAllString(message, "#")
	return l, true
}

func shapes(lines []line) map[string]bool {
	out := map[string]bool{}
	for _, l := range lines {
		out[l.level+" "+l.shape] = true
	}
	return out
}

// absent are lines of the real k3s that the stand-in does not print, because it does not do what
// they say.
var absent = []struct{ prefix, why string }{
	{"Connecting to proxy", "no tunnel: the nodes are reached straight"},
	{"Connected to proxy", "no tunnel"},
	{"Remotedialer connected to proxy", "no tunnel"},
	{"Handling backend connection request", "no tunnel"},
	{"Tunnel server egress proxy mode", "no tunnel"},
	{"Running cloud-controller-manager", "k3s' own cloud controller exists only inside k3s"},
	{"Creating k#s-cert-monitor event broadcaster", "no certificate monitor"},
	{"Event occurred", "no certificate monitor"},
	{"Creating k#s-supervisor event broadcaster", "no events of its own"},
	{"Creating deploy event broadcaster", "no manifests are deployed"},
	{"Waiting for untainted node", "no agent"},
	{"Creating embedded CRD addons", "no manifests are deployed"},
	{"Updating embedded CRD addons", "no manifests are deployed"},
	{"Waiting for CRD addons", "no manifests are deployed"},
	{"Done waiting for CRD addons", "no manifests are deployed"},
	{"Starting k#s.cattle.io/v#, Kind=", "no wrangler controllers: the same is done by looking every two seconds"},
	{"Starting /v#, Kind=Node controller", "no wrangler controllers"},
	{"Cluster dns configmap", "no cluster DNS"},
	{"Starting managed etcd snapshot ConfigMap controller", "the ConfigMap stays empty by design (facts, trap 9)"},
	{"Reconciling snapshot ConfigMap data", "as above"},
	{"Proxy done", "no tunnel"},
	{"error in remotedialer server", "no tunnel"},
}

// added are lines that the recordings may lack, or have by the chance of a moment.
var added = []struct{ prefix, why string }{
	{"Acquiring lock file", "facts 7.2, row 1; the recorded build did not unpack itself"},
	{"Preparing data dir", "facts 7.2, row 1"},
	{"Polling for API server readiness: GET /readyz failed: ", "asked every two seconds: which answers it meets is chance"},
	{"Failed to test etcd connection", "whether etcd answers before the first test is a matter of milliseconds"},
	{"Failed to check local etcd status for learner management", "as above"},
	{"Failed to record snapshots for cluster: storage is (re)initializing", "kube-apiserver has not loaded the custom resource yet; k3s waits for its caches first"},
	{"Active TLS secret kube-system/k#s-serving", "the other server's names may arrive a moment earlier"},
	{"Failed to list nodes with etcd role", "the leader's first look may come before the controllers run"},
}

func excused(list []struct{ prefix, why string }, shape string) bool {
	_, text, _ := strings.Cut(shape, " ")
	return slices.ContainsFunc(list, func(one struct{ prefix, why string }) bool { return strings.HasPrefix(text, one.prefix) })
}

// sameLines compares the sets of lines in both directions.
func sameLines(t *testing.T, real, ours []line) {
	t.Helper()
	have, want := shapes(ours), shapes(real)
	for shape := range want {
		if !have[shape] && !excused(absent, shape) && !excused(added, shape) {
			t.Errorf("k3s prints it, the stand-in does not: %s", shape)
		}
		if have[shape] && excused(absent, shape) {
			t.Errorf("on the list of absent lines, yet printed: %s", shape)
		}
	}
	for shape := range have {
		if !want[shape] && !excused(added, shape) {
			t.Errorf("the stand-in prints it, k3s does not: %s", shape)
		}
	}
}

// inOrder looks for the first occurrence of each key line, in this order, in both.
func inOrder(t *testing.T, real, ours []line, keys ...string) {
	t.Helper()
	for name, lines := range map[string][]line{"k3s": real, "the stand-in": ours} {
		at := 0
		for _, key := range keys {
			next := slices.IndexFunc(lines, func(l line) bool { return strings.HasPrefix(l.shape, key) })
			switch {
			case next < 0:
				t.Errorf("%s does not print %q", name, key)
			case next < at:
				t.Errorf("%s prints %q earlier than the key line before it", name, key)
			default:
				at = next
			}
		}
	}
}

// sameArguments compares the command lines of the parts.
func sameArguments(t *testing.T, real, ours []line) {
	t.Helper()
	found := 0
	for _, theirs := range real {
		for _, own := range ours {
			if theirs.args != nil && own.shape == theirs.shape {
				found++
				if !slices.Equal(theirs.args, own.args) {
					t.Errorf("%s differs:\nk3s:   %v\nours:  %v", own.shape, theirs.args, own.args)
				}
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d command lines were compared", found)
	}
}

// sameFiles compares the layout. What the recording shows of a later reset, and what the installer
// makes, is left out.
func sameFiles(t *testing.T, data, etc string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(incidents(), "k3s-real-healthy-join", "layout-n1.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, path := range strings.Fields(string(content)) {
		if strings.Contains(path, "/server/tls-") || strings.HasSuffix(path, "/db/reset-flag") || strings.HasPrefix(path, "/etc/systemd/") {
			continue
		}
		want[path] = true
	}
	have := map[string]bool{}
	for root, shown := range map[string]string{filepath.Join(data, "server"): "/var/lib/rancher/k3s/server", etc: "/etc/rancher"} {
		_ = filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			shownPath := shown + strings.TrimPrefix(path, root)
			// The recording does not go below these.
			if err == nil && !strings.Contains(shownPath, "/etcd/member/") && !strings.Contains(shownPath, "/snapshots/") && !strings.Contains(shownPath, "/temporary-certs/") {
				have[shownPath] = true
			}
			return nil
		})
	}
	for path := range want {
		if !have[path] {
			t.Errorf("k3s has it, the stand-in has not: %s", path)
		}
	}
	for path := range have {
		if !want[path] {
			t.Errorf("the stand-in has it, k3s has not: %s", path)
		}
	}
}
