package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Runs of the stand-in with the real parts, on nodes that are network namespaces. Needs root, `ip`
// and LAB_PARTS; says so and is skipped otherwise.

// nodesOf makes a switch and n nodes with addresses 198.51.100.11 and so on; all is taken away at
// the end of the test.
func nodesOf(t *testing.T, n int) []*testNode {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: needs root for network namespaces")
	}
	if _, err := part("kube-apiserver"); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	folder := t.TempDir()
	binary := filepath.Join(folder, "k3s")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	tag := fmt.Sprintf("k3st%d", os.Getpid())
	sw := tag + "-sw"
	ip("netns", "add", sw)
	t.Cleanup(func() { ip("netns", "del", sw) })
	ip("-n", sw, "link", "add", "br0", "type", "bridge")
	ip("-n", sw, "link", "set", "br0", "up")
	nodes := []*testNode{}
	for i := 1; i <= n; i++ {
		one := &testNode{t: t, binary: binary, name: fmt.Sprintf("n%d", i), space: fmt.Sprintf("%s-n%d", tag, i), address: fmt.Sprintf("198.51.100.1%d", i)}
		one.data, one.etc = filepath.Join(folder, one.name, "data"), filepath.Join(folder, one.name, "etc")
		ip("netns", "add", one.space)
		t.Cleanup(func() { ip("netns", "del", one.space) })
		ip("link", "add", "eth0", "netns", one.space, "type", "veth", "peer", "name", one.name, "netns", sw)
		ip("-n", sw, "link", "set", one.name, "master", "br0", "up")
		ip("-n", one.space, "link", "set", "lo", "up")
		ip("-n", one.space, "addr", "add", one.address+"/24", "dev", "eth0")
		ip("-n", one.space, "link", "set", "eth0", "up")
		nodes = append(nodes, one)
	}
	return nodes
}

type testNode struct {
	t                   *testing.T
	binary, name, space string
	address, data, etc  string
	mu                  sync.Mutex
	log                 bytes.Buffer
	cmd                 *exec.Cmd
	ended               chan error
}

func (n *testNode) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(p)
}

func (n *testNode) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

func (n *testNode) command(args ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", n.space}, args...)...)
	cmd.Env = append(os.Environ(), "LAB_ETC="+n.etc, "LAB_PARTS="+partsPath())
	return cmd
}

// server starts `k3s server` with an empty log.
func (n *testNode) server(args ...string) {
	n.t.Helper()
	n.mu.Lock()
	n.log.Reset()
	n.mu.Unlock()
	n.cmd = n.command(append([]string{n.binary, "server", "--data-dir", n.data, "--node-ip", n.address, "--node-name", n.name}, args...)...)
	n.cmd.Stderr = n
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ended, started := make(chan error, 1), make(chan error)
	onSpawnerOfTest(func() { started <- n.cmd.Start() })
	if err := <-started; err != nil {
		n.t.Fatal(err)
	}
	cmd := n.cmd
	go func() { ended <- cmd.Wait() }()
	n.ended = ended
	n.t.Cleanup(func() { n.stop(syscall.SIGKILL) })
}

// onSpawnerOfTest runs f on the thread that children are bound to.
func onSpawnerOfTest(f func()) { go onSpawner(f) }

func (n *testNode) stop(how syscall.Signal) {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(how)
	<-n.ended
	n.cmd = nil
}

// exit waits for the end by itself and gives the status.
func (n *testNode) exit() int {
	n.t.Helper()
	select {
	case <-n.ended:
		code := n.cmd.ProcessState.ExitCode()
		n.cmd = nil
		return code
	case <-time.After(time.Minute):
		n.t.Fatalf("%s did not end:\n%s", n.name, n.tail())
		return 0
	}
}

func (n *testNode) tail() string {
	lines := strings.Split(n.text(), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// await waits until the log holds the text.
func (n *testNode) await(text string) {
	n.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(n.text(), text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("%s does not say %q:\n%s", n.name, text, n.tail())
		}
		select {
		case err := <-n.ended:
			n.ended <- err
			if !strings.Contains(n.text(), text) {
				n.t.Fatalf("%s ended (%v) without %q:\n%s", n.name, err, text, n.tail())
			}
		default:
		}
	}
}

func (n *testNode) lines() []line {
	out := []line{}
	for _, text := range strings.Split(n.text(), "\n") {
		if l, ok := parseLine(text, n.data, n.etc); ok {
			out = append(out, l)
		}
	}
	return out
}

func (n *testNode) run(args ...string) string {
	n.t.Helper()
	out, err := n.command(append([]string{n.binary}, args...)...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("k3s %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// hold keeps a port busy on a node until the function is called.
func (n *testNode) hold(address string) (release func()) {
	n.t.Helper()
	cmd := n.command(os.Args[0])
	cmd.Env = append(cmd.Env, "LAB_HOLD="+address)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 1))
	return func() { _ = in.Close(); _ = cmd.Wait() }
}

// holdPort is the other side of hold, in a process of its own.
func holdPort(address string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer listener.Close()
	fmt.Print("h")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// Facts 7.2, 9 and the three recordings.
func TestAgainstTheRecordings(t *testing.T) {
	first := recording(t, "k3s-real-healthy-join/evidence/journal-k3s-n1.log", 499)
	joining := recording(t, "k3s-real-healthy-join/evidence/journal-k3s-n3.log", 208)
	wiped := recording(t, "k3s-wiped-same-name/evidence/journal-k3s-n3.log", 716)
	taken := recording(t, "k3s-port-taken/evidence/journal-k3s-n3.log", 911)
	nodes := nodesOf(t, 3)
	n1, n2, n3 := nodes[0], nodes[1], nodes[2]

	n1.server("--cluster-init", "--token", "secret", "--disable-agent")
	n1.await("Successfully acquired lease")
	n1.await("Reconciliation of ETCDSnapshotFile resources complete")
	n1.await("Active TLS secret kube-system/k3s-serving")
	sameFiles(t, n1.data, n1.etc)
	join := []string{"--server", "https://" + n1.address + ":6443", "--token", "secret", "--disable-agent"}
	n2.server(join...)
	n2.await("k3s is up and running")
	n1.await("(count 12)")
	n3.server(join...)
	n3.await("Updating TLS secret for kube-system/k3s-serving")
	n3.await("Reconciliation of ETCDSnapshotFile resources complete")
	n3.await("Attempting to acquire leader lease")
	n1.await("(count 14)") // the names of all three on the first server's certificate

	t.Run("first server", func(t *testing.T) {
		ours := n1.lines()
		sameLines(t, first, ours)
		sameArguments(t, first, ours)
		inOrder(t, first, ours,
			"Starting k#s VERSION", "Managed etcd cluster initializing", "generated self-signed CA certificate CN=k#s-client-ca@",
			"certificate CN=system:admin,O=system:masters signed by CN=k#s-client-ca@", "generated self-signed CA certificate CN=k#s-server-ca@",
			"certificate CN=kube-apiserver", "generated self-signed CA certificate CN=k#s-request-header-ca@", "certificate CN=system:auth-proxy",
			"generated self-signed CA certificate CN=etcd-server-ca@", "certificate CN=etcd-client", "generated self-signed CA certificate CN=etcd-peer-ca@",
			"certificate CN=etcd-peer", "certificate CN=etcd-server", "certificate CN=k#s,O=k#s",
			"dynamiclistener [::]:#: no cached certificate", "Active TLS secret / (ver=)", "certificate CN=NODE signed", "certificate CN=system:node:NODE",
			"Starting etcd for new cluster, cluster-reset=false", "Running kube-apiserver", "Server node token is available at", "Wrote kubeconfig", "Run: k#s kubectl",
			"Connected to etcd v", "Defragmenting etcd database", "Datastore using", "Connection to etcd is ready", "ETCD server is now running",
			"Saving cluster bootstrap data to datastore", "Kube API server is now running", "k#s is up and running",
			"Starting managed etcd node metadata controller", "Successfully acquired lease", "Starting managed etcd member removal controller", "Promoted learner MEMBER")
	})
	t.Run("joining server", func(t *testing.T) {
		ours := n3.lines()
		sameLines(t, joining, ours)
		sameArguments(t, joining, ours)
		inOrder(t, joining, ours,
			"Starting k#s VERSION", "Cluster CA certificate is not trusted by the host CA bundle", "Managed etcd cluster not yet initialized",
			"Opening etcd client connection with endpoints []", "Reconciling bootstrap data between datastore and disk",
			"certificate CN=system:admin", "certificate CN=etcd-server", "certificate CN=NODE signed", "Running kube-apiserver", "Run: k#s kubectl",
			"Adding member MEMBER=https://IP:# to etcd cluster [MEMBER=https://IP:#", "Connected to etcd v", "ETCD server is now running",
			"Saving cluster bootstrap data to datastore", "Bootstrap key already exists", "Kube API server is now running", "k#s is up and running",
			"Updating TLS secret for kube-system/k#s-serving")
	})
	n3.stop(syscall.SIGTERM)

	t.Run("port taken", func(t *testing.T) {
		defer n3.hold("127.0.0.1:2380")()
		n3.server(join...)
		if status := n3.exit(); status != 1 {
			t.Errorf("exit status %d", status)
		}
		ours := n3.lines()
		sameLines(t, taken, ours)
		inOrder(t, taken, ours,
			"Starting k#s VERSION", "Managed etcd cluster bootstrap already complete and initialized", "Reconciling bootstrap data between datastore and disk",
			"Successfully reconciled with remote datastore", "certificate CN=NODE signed", "Starting etcd for existing cluster member",
			"Error: starting kubernetes: failed to start cluster: start managed database: listen tcp IP:#: bind: address already in use")
	})
	t.Run("wiped, same name", func(t *testing.T) {
		if err := os.RemoveAll(filepath.Join(n3.data, "server")); err != nil {
			t.Fatal(err)
		}
		n3.server(join...)
		if status := n3.exit(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		ours := n3.lines()
		sameLines(t, wiped, ours)
		inOrder(t, wiped, ours,
			"Starting k#s VERSION", "Managed etcd cluster not yet initialized", "Reconciling bootstrap data between datastore and disk",
			"certificate CN=system:admin", "Running kube-apiserver", "Run: k#s kubectl",
			`Shutdown request received: "etcd cluster join failed: duplicate node name found, please use a unique name for this node"`)
	})
}
