package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Three servers with the real parts, and what the facts say of their disasters.

// says starts a server that must end by itself, and checks status and text.
func (n *testNode) says(t *testing.T, status int, text string, args ...string) {
	t.Helper()
	n.server(args...)
	if got := n.exit(); got != status || !strings.Contains(n.text(), text) {
		t.Errorf("status %d, want %d and %q:\n%s", got, status, text, n.tail())
	}
}

func (n *testNode) members(t *testing.T) []string {
	t.Helper()
	tls := func(name string) string { return filepath.Join(n.data, "server", "tls", "etcd", name) }
	program, err := part("etcdctl")
	if err != nil {
		t.Fatal(err)
	}
	out, err := n.command(program, "--endpoints", localEtcd, "--cacert", tls("server-ca.crt"), "--cert", tls("client.crt"), "--key", tls("client.key"),
		"member", "list", "-w", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Members []struct{ Name string } }
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, m := range list.Members {
		names = append(names, strings.Split(m.Name, "-")[0])
	}
	return names
}

// empty waits until no process is left on the node.
func (n *testNode) empty(t *testing.T) {
	t.Helper()
	left := ""
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command("ip", "netns", "pids", n.space).Output()
		if left = string(out); err == nil && left == "" {
			return
		}
	}
	t.Errorf("%s still has processes: %s", n.name, left)
}

func TestDisasters(t *testing.T) {
	nodes := nodesOf(t, 3)
	n1, n2, n3 := nodes[0], nodes[1], nodes[2]
	db := func(n *testNode, parts ...string) string {
		return filepath.Join(append([]string{n.data, "server", "db"}, parts...)...)
	}
	server := []string{"--server", "https://" + n1.address + ":6443"}
	join := append(server, "--token", "secret")
	n1.server("--cluster-init", "--token", "secret")
	n1.await("Annotations and labels have been set successfully on node: n1")
	n2.server(join...)
	n2.await("Annotations and labels")
	n3.server(join...)
	n3.await("Annotations and labels")
	if got := len(n1.members(t)); got != 3 {
		t.Fatalf("%d members", got)
	}

	// Facts 2.1, 2.4 and section 9.
	t.Run("wrong token", func(t *testing.T) {
		n3.stop(syscall.SIGTERM)
		kept := n3.data
		n3.data = filepath.Join(t.TempDir(), "data")
		n3.says(t, 1, `level=fatal msg="Error: preparing server: failed to bootstrap cluster data: not authorized"`, append(server, "--token", "wrong")...)
		n3.data = kept
	})
	// Facts 2.4, K13.
	t.Run("a CA file newer than the datastore", func(t *testing.T) {
		ca := filepath.Join(n3.data, "server", "tls", "etcd", "peer-ca.crt")
		good, _ := os.ReadFile(ca)
		if err := os.WriteFile(ca, []byte("of another cluster"), 0o600); err != nil {
			t.Fatal(err)
		}
		late := time.Now().Add(time.Hour)
		_ = os.Chtimes(ca, late, late)
		n3.says(t, 1, `level=fatal msg="`+ca+` newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore."`, join...)
		// Older it is replaced without a word of harm.
		early := time.Unix(1, 0)
		_ = os.Chtimes(ca, early, early)
		n3.server(join...)
		n3.await("Successfully reconciled with remote datastore")
		n3.await("k3s is up and running")
		if now, _ := os.ReadFile(ca); string(now) != string(good) {
			t.Error("the file did not come back")
		}
	})
	// Facts 3.1, T10: a second host under a node's name.
	t.Run("node password", func(t *testing.T) {
		ask := func(password string) string {
			out, err := n2.command("curl", "-sk", "-u", "node:secret", "-H", "k3s-Node-Name: worker", "-H", "k3s-Node-Password: "+password,
				"-H", "k3s-Node-IP: 198.51.100.31", "https://"+n1.address+":6443/v1-k3s/serving-kubelet.crt").Output()
			if err != nil {
				t.Skipf("SKIPPED: curl: %v", err)
			}
			return string(out)
		}
		if out := ask("one"); !strings.HasPrefix(out, "-----BEGIN CERTIFICATE-----") || !strings.Contains(out, "PRIVATE KEY") {
			t.Error(out)
		}
		if out := ask("two"); !strings.Contains(out, "unable to verify password for node worker: hash does not match") {
			t.Error(out)
		}
		n1.run("kubectl", "get", "secret", "-n", "kube-system", "worker.node-password.k3s", "n1.node-password.k3s")
	})
	// Facts 3.3: deleting the Node removes the member; its server leaves a tombstone and rejoins.
	t.Run("node deleted", func(t *testing.T) {
		n1.run("kubectl", "delete", "node", "n3", "--timeout=60s")
		n3.await("This node has been removed from the cluster - please restart k3s to rejoin the cluster")
		if got := n1.members(t); len(got) != 2 || !exists(db(n3, "etcd", "tombstone")) {
			t.Error(got)
		}
		n3.stop(syscall.SIGTERM)
		n3.says(t, 1, "tombstone file has been detected but --server is empty", "--token", "secret")
		n3.server(join...)
		n3.await("k3s is up and running")
		if kept, _ := filepath.Glob(db(n3, "etcd-backup-*")); len(kept) != 1 || len(n1.members(t)) != 3 {
			t.Error(kept)
		}
	})
	// Facts 3.3: asked by annotation while it was off, then started with its data (section 9).
	t.Run("removed while off", func(t *testing.T) {
		n3.await("Annotations and labels have been set successfully on node: n3")
		n3.stop(syscall.SIGTERM)
		n1.run("kubectl", "annotate", "node", "n3", removeKey+"=true")
		n1.await("etcd emember removed successfully")
		n3.server(join...)
		n3.await("data-dir used by this member must be removed")
		n3.await(`level=error msg="etcd exited: server is stopping"`)
		n3.await("Failed to test etcd connection")
		select {
		case <-n3.ended:
			t.Error("it ended; k3s goes on without etcd")
		case <-time.After(6 * time.Second):
		}
		n3.stop(syscall.SIGTERM)
	})
	// Facts 3.7.
	n1.run("kubectl", "create", "configmap", "before")
	if out := n1.run("etcd-snapshot", "save", "--name", "keep", "--data-dir", n1.data); !strings.Contains(out, " saved.") {
		t.Error(out)
	}
	out := n1.run("etcd-snapshot", "ls", "--data-dir", n1.data)
	snapshots, _ := filepath.Glob(db(n1, "snapshots", "keep-n1-*"))
	if len(snapshots) != 1 || !strings.Contains(out, "file://"+snapshots[0]) || !strings.HasPrefix(out, "Name ") {
		t.Fatal(out, snapshots)
	}
	// Facts 3.8: a database with its SHA-256 behind it.
	if info, err := os.Stat(snapshots[0]); err != nil || info.Size()%512 != 32 {
		t.Error("no trailer", err)
	}
	n1.run("kubectl", "create", "configmap", "after")

	// Facts 3.9: without a majority the test goes on and the start hangs.
	t.Run("no quorum", func(t *testing.T) {
		n2.stop(syscall.SIGKILL)
		n1.stop(syscall.SIGKILL)
		n1.empty(t)
		n2.empty(t)
		n1.server()
		n1.await("Successfully reconciled with local datastore")
		n1.await("Failed to test etcd connection: ")
		n1.stop(syscall.SIGTERM)
	})
	// Facts 3.5.
	t.Run("reset", func(t *testing.T) {
		n1.says(t, 0, `level=error msg="Shutdown request received: \"`+resetDone+`\""`, "--cluster-reset")
		tls, _ := filepath.Glob(filepath.Join(n1.data, "server", "tls-*"))
		if !exists(db(n1, "reset-flag")) || len(tls) != 1 {
			t.Error("flag or copy of tls is missing", tls)
		}
		n1.says(t, 1, "Managed etcd cluster membership was previously reset, please remove the cluster-reset flag and start k3s normally.", "--cluster-reset")
		n1.server()
		n1.await("Annotations and labels have been set successfully on node: n1")
		if got := n1.members(t); len(got) != 1 {
			t.Error(got)
		}
		if exists(db(n1, "reset-flag")) {
			t.Error("the flag stayed after a normal start")
		}
		if err := os.RemoveAll(db(n2)); err != nil {
			t.Fatal(err)
		}
		n2.server(join...)
		n2.await("k3s is up and running")
	})
	// Facts 3.6.
	t.Run("restore", func(t *testing.T) {
		n2.stop(syscall.SIGTERM)
		n1.stop(syscall.SIGTERM)
		restore := func(path string) []string { return []string{"--cluster-reset", "--cluster-reset-restore-path", path} }
		damaged := filepath.Join(t.TempDir(), "damaged")
		content, _ := os.ReadFile(snapshots[0])
		content[100_000] ^= 1
		if err := os.WriteFile(damaged, content, 0o600); err != nil {
			t.Fatal(err)
		}
		// The database moved away is named by the second: two restores in one second collide.
		nextSecond := func() { time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) }
		n1.says(t, 1, "expected sha256 [", restore(damaged)...)
		nextSecond()
		raw := filepath.Join(t.TempDir(), "raw")
		if err := os.WriteFile(raw, content[:len(content)-32], 0o600); err != nil {
			t.Fatal(err)
		}
		n1.says(t, 1, "snapshot missing hash but --skip-hash-check=false", restore(raw)...)
		nextSecond()
		n1.says(t, 0, "bootstrap data already found and encrypted with different token", append(restore(snapshots[0]), "--token", "wrong")...)
		nextSecond()
		n1.says(t, 0, resetDone, append(restore(snapshots[0]), "--token", "secret")...)
		if old, _ := filepath.Glob(db(n1, "etcd-old-*")); len(old) == 0 || !strings.Contains(n1.text(), "Pre-restore etcd database moved to "+db(n1, "etcd-old-")) {
			t.Error(old)
		}
		n1.server("--token", "secret")
		n1.await("k3s is up and running")
		n1.run("kubectl", "get", "configmap", "before")
		if got := n1.run("kubectl", "get", "configmap", "-o", "name"); strings.Contains(got, "after") {
			t.Error(got)
		}
	})
	// Facts 2.5: after a rotation the record lies under the new key, and the old token is refused.
	t.Run("token rotated", func(t *testing.T) {
		if out := n1.run("token", "rotate", "--token", "secret", "--new-token", "other", "--data-dir", n1.data); !strings.Contains(out, "Token rotated, restart k3s nodes with new token") {
			t.Error(out)
		}
		n1.stop(syscall.SIGTERM)
		n1.says(t, 1, "failed to reconcile with local datastore: bootstrap data already found and encrypted with different token", "--token", "secret")
		n1.server("--token", "other")
		n1.await("k3s is up and running")
		n1.stop(syscall.SIGTERM)
	})
	// K16, facts 3.5 step 8: another address, and what mends it.
	t.Run("address changed", func(t *testing.T) {
		if out, err := exec.Command("ip", "-n", n1.space, "addr", "add", "198.51.100.21/24", "dev", "eth0").CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
		n1.address = "198.51.100.21"
		n1.server()
		n1.await("this server is not a member of the etcd cluster. Found [")
		n1.stop(syscall.SIGTERM)
		n1.says(t, 0, resetDone, "--cluster-reset")
		n1.server()
		n1.await("k3s is up and running")
		n1.stop(syscall.SIGTERM)
	})
	// Facts 2.6: lost files.
	t.Run("lost files", func(t *testing.T) {
		if err := os.RemoveAll(filepath.Join(n1.data, "server", "tls")); err != nil {
			t.Fatal(err)
		}
		n1.server()
		n1.await("k3s is up and running")
		n1.run("kubectl", "get", "configmap", "before")
		n1.stop(syscall.SIGTERM)
		token := filepath.Join(n1.data, "server", "token")
		before, _ := os.ReadFile(token)
		_ = os.Remove(token)
		n1.server()
		n1.await("k3s is up and running")
		if after, _ := os.ReadFile(token); string(after) != string(before) || strings.Contains(n1.text(), "reconciled") {
			t.Errorf("%s %s", before, after)
		}
		n1.stop(syscall.SIGTERM)
		_ = os.Remove(token)
		_ = os.Remove(filepath.Join(n1.data, "server", "cred", "passwd"))
		n1.says(t, 0, "failed to save bootstrap data: bootstrap data already found and encrypted with different token")
	})
}
