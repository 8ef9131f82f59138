package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"sigs.k8s.io/yaml"
)

// The managed etcd: name, configuration file, start, test and learners (facts 3).

type etcd struct {
	files   layout
	address string // this node's address
	name    string // member name
	extra   []string
	metrics bool // --etcd-expose-metrics
	sqlite  bool // no etcd at all: kine

	mu     sync.Mutex
	child  *child
	client *clientv3.Client
	// removed is set once etcd has said that the cluster no longer knows this member.
	removed bool
	serving bool
	// crashed is set by a line after which the process that holds etcd is gone.
	crashed bool
}

// crashLine tells the lines of a Go program that dies where it stands: zap's two hardest levels,
// a panic, a fault. etcdmain's own fatal lines only report an error that k3s gets returned.
func crashLine(line []byte) bool {
	if bytes.Contains(line, []byte(`"caller":"etcdmain/`)) {
		return false
	}
	return bytes.HasPrefix(line, []byte(`{"level":"fatal"`)) || bytes.HasPrefix(line, []byte(`{"level":"panic"`)) ||
		bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: "))
}

// dieIfCrashed ends this process as the child ended: in k3s etcd's crash is its own.
func (e *etcd) dieIfCrashed(c *child) {
	var crashed bool
	e.mark(func() { crashed = e.crashed })
	c.dieAlike(crashed)
}

type etcdStart struct {
	cluster string // initial-cluster
	state   string // initial-cluster-state
	reset   bool   // force-new-cluster, on loopback only
}

func (e *etcd) peerURL() string   { return "https://" + host(e.address) + ":2380" }
func (e *etcd) clientURL() string { return "https://" + host(e.address) + ":2379" }

func host(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}

// initialized is the test that decides "this server has etcd data" (facts 1.1).
func (e *etcd) initialized() (bool, error) {
	wal := e.files.etcd("member", "wal")
	info, err := os.Stat(wal)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, fmt.Errorf("invalid state for wal directory %s", wal)
	}
	return true, nil
}

// setName reads the member's name, or makes a new one: node name and eight hex digits.
func (e *etcd) setName(node string, force bool) error {
	path := e.files.etcd("name")
	if name, err := os.ReadFile(path); err == nil && !force {
		e.name = string(name)
		return nil
	}
	e.name = node + "-" + randomHex(4)
	if err := os.MkdirAll(e.files.etcd(), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(e.name), 0o600)
}

type trust struct {
	CertFile      string `json:"cert-file"`
	KeyFile       string `json:"key-file"`
	ClientAuth    bool   `json:"client-cert-auth"`
	TrustedCAFile string `json:"trusted-ca-file"`
}

// config is the YAML that k3s keeps beside the data (facts 3.4).
func (e *etcd) config(start etcdStart) map[string]any {
	peers := "https://127.0.0.1:2380," + e.peerURL()
	clients := "https://127.0.0.1:2379," + e.clientURL()
	metrics := "http://127.0.0.1:2381"
	if e.metrics {
		metrics += ",http://" + host(e.address) + ":2381"
	}
	if start.reset {
		peers, clients = "https://127.0.0.1:2380", "https://127.0.0.1:2379"
	}
	values := map[string]any{
		"name":                        e.name,
		"data-dir":                    e.files.etcd(),
		"listen-peer-urls":            peers,
		"listen-client-urls":          clients,
		"listen-client-http-urls":     "https://127.0.0.1:2382",
		"listen-metrics-urls":         metrics,
		"advertise-client-urls":       e.clientURL(),
		"initial-advertise-peer-urls": e.peerURL(),
		"initial-cluster":             start.cluster,
		"initial-cluster-state":       start.state,
		"heartbeat-interval":          500,
		"election-timeout":            5000,
		"snapshot-count":              10000,
		"feature-gates":               "InitialCorruptCheck=true",
		"socket-options":              map[string]bool{"reuse-address": true, "reuse-port": true},
		"logger":                      "zap",
		"log-outputs":                 []string{"stderr"},
		"client-transport-security": trust{
			e.files.tls("etcd", "server-client.crt"), e.files.tls("etcd", "server-client.key"), true, e.files.tls("etcd", "server-ca.crt"),
		},
		"peer-transport-security": trust{
			e.files.tls("etcd", "peer-server-client.crt"), e.files.tls("etcd", "peer-server-client.key"), true, e.files.tls("etcd", "peer-ca.crt"),
		},
	}
	if start.reset {
		values["force-new-cluster"] = true
	}
	for _, arg := range e.extra {
		key, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		var parsed any = value
		if yaml.Unmarshal([]byte(value), &parsed) != nil {
			parsed = value
		}
		values[key] = parsed
	}
	return values
}

// start writes the configuration, starts etcd and waits until it listens, as starting it inside
// the process does: an error up to there is the caller's.
func (e *etcd) start(start etcdStart) error {
	if start.cluster == "" {
		start.cluster, start.state = e.name+"="+e.peerURL(), "new"
	}
	content, err := yaml.Marshal(e.config(start))
	if err != nil {
		return err
	}
	if err := writeFile(e.files.etcd("config"), content, 0o600); err != nil {
		return err
	}
	program, err := part("etcd")
	if err != nil {
		return err
	}
	listening, refused := make(chan struct{}), ""
	once := sync.Once{}
	watch := func(line []byte) bool {
		switch {
		case bytes.Contains(line, []byte(`"msg":"now serving peer/client/metrics"`)):
			once.Do(func() { close(listening) })
		case bytes.Contains(line, []byte(`"msg":"ready to serve client requests"`)):
			e.mark(func() { e.serving = true })
		case bytes.Contains(line, []byte("the member has been permanently removed from the cluster")):
			e.mark(func() { e.removed = true })
		}
		if crashLine(line) {
			e.mark(func() { e.crashed = true })
		}
		// Lines of etcd's own main program: inside k3s there is none (etcdmain is not linked).
		if bytes.Contains(line, []byte(`"caller":"etcdmain/`)) {
			var fatal struct{ Level, Msg, Error string }
			if json.Unmarshal(line, &fatal) == nil && fatal.Level == "fatal" {
				refused = fatal.Error
			}
			return false
		}
		// The same for the lines with which systemd or a shell are told.
		return !bytes.Contains(line, []byte(`"caller":"flags/flag.go`))
	}
	running, err := startChild("etcd", watch, nil, program, "--config-file", e.files.etcd("config"))
	if err != nil {
		return err
	}
	e.mark(func() { e.child = running })
	select {
	case <-listening:
		return nil
	case <-running.done:
		if refused != "" {
			return errors.New(refused)
		}
		e.dieIfCrashed(running)
		return fmt.Errorf("etcd: %w", running.exit())
	}
}

func (e *etcd) mark(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *etcd) running() *child {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.child
}

// watchEtcd reports etcd's end (facts 3.3, 9). k3s goes on without it.
func (s *server) watchEtcd(ctx context.Context) {
	running := s.etcd.running()
	if running == nil {
		return
	}
	select {
	case <-running.done:
	case <-ctx.Done():
		return
	}
	s.etcd.dieIfCrashed(running)
	var removed, serving bool
	s.etcd.mark(func() { removed, serving = s.etcd.removed, s.etcd.serving })
	switch {
	case removed && serving:
		if err := os.WriteFile(s.files.etcd("tombstone"), nil, 0o600); err != nil {
			log.fatal("Failed to write tombstone file to %s: %v", s.files.etcd("tombstone"), err)
		}
		log.info("This node has been removed from the cluster - please restart k3s to rejoin the cluster")
	case removed:
		log.error("etcd exited: server is stopping")
	default:
		log.error("etcd exited: %v", running.exit())
	}
}
