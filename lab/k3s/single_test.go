package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// One server with the real parts: SQLite, encryption, damage.

// Facts 7.2 row 3a, 2.4, 3.1: a server on SQLite.
func TestASQLiteServer(t *testing.T) {
	n1 := nodesOf(t, 1)[0]
	if _, err := part("kine"); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	// systemd is told when the server is up, not before.
	socket := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	n1.server("--token", "secret")
	n1.await("ETCD server is now running")
	_ = systemd.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if size, err := systemd.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes before the API server was ready", size)
	}
	n1.await("k3s is up and running")
	_ = systemd.SetReadDeadline(time.Now().Add(10 * time.Second))
	told := make([]byte, 100)
	if size, err := systemd.Read(told); err != nil || !strings.HasPrefix(string(told[:size]), "READY=1") {
		t.Errorf("%s %v", told[:size], err)
	}
	for _, want := range []string{
		"Database tables and indexes are up to date", "Kine available at unix://kine.sock", "Reconciling bootstrap data between datastore and disk",
		"Bootstrap key locked for initial create", "Connection to etcd is ready", "ETCD server is now running", "Saving cluster bootstrap data to datastore",
	} {
		if !strings.Contains(n1.text(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if !exists(filepath.Join(n1.data, "server", "db", "state.db")) || exists(filepath.Join(n1.data, "server", "db", "etcd")) {
		t.Error("wrong datastore")
	}
	n1.run("kubectl", "create", "configmap", "kept")
	if out, err := n1.command(n1.binary, "etcd-snapshot", "save", "--data-dir", n1.data).CombinedOutput(); err == nil || !strings.Contains(string(out), "etcd datastore disabled") {
		t.Errorf("%s %v", out, err)
	}
	n1.stop(syscall.SIGTERM)
	ca := filepath.Join(n1.data, "server", "tls", "server-ca.crt")
	before, _ := os.ReadFile(ca)
	if err := os.RemoveAll(filepath.Join(n1.data, "server", "tls")); err != nil {
		t.Fatal(err)
	}
	n1.server()
	n1.await("k3s is up and running")
	if after, _ := os.ReadFile(ca); string(after) != string(before) {
		t.Error("the authority did not come back")
	}
	n1.run("kubectl", "get", "configmap", "kept")
	n1.stop(syscall.SIGTERM)
	n1.says(t, 1, "failed to bootstrap cluster data: bootstrap data already found and encrypted with different token", "--token", "wrong")
}

// Facts 4.4, 2.3: Secrets are written encrypted, and the key comes back from the record.
func TestSecretsEncryption(t *testing.T) {
	n1 := nodesOf(t, 1)[0]
	flags := []string{"--cluster-init", "--token", "secret", "--secrets-encryption", "--disable-agent"}
	n1.server(flags...)
	n1.await("k3s is up and running")
	n1.run("kubectl", "create", "secret", "generic", "hidden", "--from-literal=a=plain-text-of-it")
	program, err := part("etcdctl")
	if err != nil {
		t.Fatal(err)
	}
	tls := filepath.Join(n1.data, "server", "tls", "etcd")
	value, err := n1.command(program, "--endpoints", localEtcd, "--cacert", tls+"/server-ca.crt", "--cert", tls+"/client.crt", "--key", tls+"/client.key",
		"get", "/registry/secrets/default/hidden", "--print-value-only").Output()
	if err != nil || !strings.HasPrefix(string(value), "k8s:enc:aescbc:v1:aescbckey:") || strings.Contains(string(value), "plain-text-of-it") {
		t.Errorf("%q %v", value, err)
	}
	n1.stop(syscall.SIGTERM)
	config := filepath.Join(n1.data, "server", "cred", "encryption-config.json")
	before, _ := os.ReadFile(config)
	if state, _ := os.ReadFile(filepath.Join(filepath.Dir(config), "encryption-state.json")); string(state) != "start-"+sha256Hex(before) {
		t.Errorf("%s", state)
	}
	_ = os.Remove(config)
	n1.server(flags...)
	n1.await("k3s is up and running")
	if after, _ := os.ReadFile(config); len(before) == 0 || string(after) != string(before) {
		t.Errorf("%s %s", before, after)
	}
	n1.run("kubectl", "get", "secret", "hidden")
}

// Facts 6.3, E19, 6.4: damaged files are named in the fatal line. A part that is killed takes the
// whole server along, as with k3s, where both are one process.
func TestDamagedDataAndAKilledPart(t *testing.T) {
	n1 := nodesOf(t, 1)[0]
	n1.server("--cluster-init", "--token", "secret", "--disable-agent")
	n1.await("k3s is up and running")
	out, err := exec.Command("ip", "netns", "pids", n1.space).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(out)) {
		if name, _ := trimmed(filepath.Join("/proc", pid, "comm")); name == "etcd" {
			if out, err := exec.Command("kill", "-KILL", pid).CombinedOutput(); err != nil {
				t.Fatalf("%s", out)
			}
		}
	}
	<-n1.ended
	if status := n1.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("%v", n1.cmd.ProcessState)
	}
	n1.cmd = nil
	n1.empty(t)

	member := filepath.Join(n1.data, "server", "db", "etcd", "member")
	damage := func(path string, offsets ...int64) (restore func()) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := append([]byte{}, content...)
		for _, at := range offsets {
			for i := range int64(64) {
				bad[at+i] ^= 0xff
			}
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.WriteFile(path, content, 0o600) }
	}
	wal, _ := filepath.Glob(filepath.Join(member, "wal", "*-*.wal"))
	restore := damage(wal[0], 4096)
	n1.says(t, 1, `level=fatal msg="Error: starting kubernetes: failed to start cluster: start managed database: walpb: crc mismatch: `)
	restore()
	restore = damage(filepath.Join(member, "snap", "db"), 0, 4096) // both meta pages
	n1.says(t, 1, `level=fatal msg="Error: preparing server: failed to bootstrap cluster data: failed to reconcile with local datastore: `)
	restore()
	n1.server()
	n1.await("k3s is up and running")
}
