package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
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
	ready  chan struct{}
	// removed is set once etcd has said that the cluster no longer knows this member.
	removed bool
	serving bool
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

// endpoint is where the API server finds its data.
func (e *etcd) endpoint() string {
	if e.sqlite {
		return kineSocket
	}
	return localEtcd
}

// connect makes a client with the API server's certificate for etcd.
func (e *etcd) connect(endpoints []string) (*clientv3.Client, error) {
	pair, err := tls.LoadX509KeyPair(e.files.tls("etcd", "client.crt"), e.files.tls("etcd", "client.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(e.files.tls("etcd", "server-ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return clientv3.New(clientv3.Config{
		Endpoints:            endpoints,
		DialTimeout:          10 * time.Second,
		DialKeepAliveTime:    30 * time.Second,
		DialKeepAliveTimeout: 10 * time.Second,
		TLS:                  &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
		Logger:               zap.NewNop(),
	})
}

const localEtcd = "https://127.0.0.1:2379"

// local is the client for this server's own etcd.
func (e *etcd) local() (*clientv3.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		return e.client, nil
	}
	if e.sqlite {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{kineSocket}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
		e.client = client
		return client, err
	}
	client, err := e.connect([]string{localEtcd})
	e.client = client
	return client, err
}

// status asks over the connection that this server keeps. As in k3s, once that connection was
// refused every answer is that refusal until etcd serves (recorded while joining).
func (e *etcd) status(ctx context.Context) (*etcdserverpb.StatusResponse, error) {
	client, err := e.local()
	if err != nil {
		return nil, err
	}
	return etcdserverpb.NewMaintenanceClient(client.ActiveConnection()).Status(ctx, &etcdserverpb.StatusRequest{})
}

// test is k3s' check that etcd can be used: status, learner, maintenance, membership (facts 3.4).
func (e *etcd) test(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client, err := e.local()
	if err != nil {
		return err
	}
	status, err := e.status(ctx)
	if err != nil {
		return fmt.Errorf("failed to get etcd status: %w", err)
	}
	if status.IsLearner {
		return errors.New("this server has not yet been promoted from learner to voting member")
	}
	if status.Leader == 0 {
		return rpctypes.ErrNoLeader
	}
	log.info("Connected to etcd v%s - datastore using %d of %d bytes", status.Version, status.DbSizeInUse, status.DbSize)
	log.info("Defragmenting etcd database")
	if _, err := client.Defragment(ctx, localEtcd); err != nil {
		return fmt.Errorf("failed to defragment etcd database: %w", err)
	}
	if err := e.clearAlarms(ctx, client, status.Header.MemberId); err != nil {
		return err
	}
	if status, err = e.status(ctx); err != nil {
		return fmt.Errorf("failed to get etcd status: %w", err)
	}
	log.info("Datastore using %d of %d bytes after defragment", status.DbSizeInUse, status.DbSize)
	list, err := client.MemberList(ctx)
	if err != nil {
		return err
	}
	found := []string{}
	for _, m := range list.Members {
		for _, peer := range m.PeerURLs {
			if peer == e.peerURL() && m.Name == e.name {
				return nil
			}
		}
		if len(m.PeerURLs) > 0 {
			found = append(found, m.Name+"="+m.PeerURLs[0])
		}
	}
	return fmt.Errorf("this server is not a member of the etcd cluster. Found %v, expect: %s=%s", found, e.name, e.peerURL())
}

// clearAlarms takes away NOSPACE, now that the file is defragmented; any other alarm is for a
// person (facts, section 0).
func (e *etcd) clearAlarms(ctx context.Context, client *clientv3.Client, self uint64) error {
	alarms, err := client.AlarmList(ctx)
	if err != nil {
		return fmt.Errorf("failed to list etcd alarms: %w", err)
	}
	for _, alarm := range alarms.Alarms {
		if alarm.MemberID != self {
			continue
		}
		if alarm.Alarm != etcdserverpb.AlarmType_NOSPACE {
			return fmt.Errorf("alarm must be disarmed manually: %s", alarm.Alarm)
		}
		if _, err := client.AlarmDisarm(ctx, &clientv3.AlarmMember{MemberID: self, Alarm: alarm.Alarm}); err != nil {
			return fmt.Errorf("%s disarm failed: %w", alarm.Alarm, err)
		}
		log.info("%s disarmed successfully", alarm.Alarm)
	}
	return nil
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

// learnerProgress is the value of the key in which the leader keeps how far a learner is.
type learnerProgress struct {
	ID               uint64    `json:"id"`
	Name             string    `json:"name"`
	RaftAppliedIndex uint64    `json:"raftAppliedIndex"`
	LastProgress     time.Time `json:"lastProgress"`
}

const (
	learnerKey   = "k3s/etcd/learnerProgress"
	learnerLimit = 5 * time.Minute
	learnerEvery = 15 * time.Second
)

// manageLearners lets the leader promote a learner that has caught up, and remove one that makes
// no progress for five minutes (facts 3.2).
func (s *server) manageLearners(ctx context.Context) {
	tick := time.NewTicker(learnerEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.learnersOnce(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (s *server) learnersOnce(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, learnerEvery)
	defer cancel()
	status, err := s.etcd.status(limited)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		log.error("Failed to check local etcd status for learner management: %v", err)
		return
	}
	if status.Header.MemberId != status.Leader {
		return
	}
	client, err := s.etcd.local()
	if err != nil {
		return
	}
	list, err := client.MemberList(limited)
	if err != nil {
		log.error("Failed to get etcd members for learner management: %v", err)
		return
	}
	learners := map[string]bool{}
	for _, m := range list.Members {
		learners[m.Name] = m.IsLearner
	}
	s.markVoters(limited, learners)
	for _, m := range list.Members {
		if m.IsLearner {
			if err := s.trackLearner(limited, client, m); err != nil {
				log.error("Failed to track learner progress: %v", err)
			}
			return // one at a time
		}
	}
}

func (s *server) trackLearner(ctx context.Context, client *clientv3.Client, m *etcdserverpb.Member) error {
	if _, err := client.MemberPromote(ctx, m.ID); err == nil {
		log.info("Promoted learner %s", m.Name)
		return nil
	} else if !errors.Is(err, rpctypes.ErrMemberLearnerNotReady) {
		log.error("Unable to promote learner %s: %v", m.Name, err)
	}
	known := learnerProgress{}
	if answer, err := client.Get(ctx, learnerKey); err != nil {
		return err
	} else if len(answer.Kvs) > 0 {
		_ = json.Unmarshal(answer.Kvs[0].Value, &known)
	}
	now := time.Now()
	if known.ID != m.ID {
		known = learnerProgress{ID: m.ID, Name: m.Name, LastProgress: now}
	}
	for _, endpoint := range m.ClientURLs {
		if _, err := url.Parse(endpoint); err != nil {
			continue
		}
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		status, err := client.Status(short, endpoint)
		cancel()
		if err != nil {
			log.warning("Failed to get learner %s status from endpoint %s: %v", m.Name, endpoint, err)
			continue
		}
		if status.RaftAppliedIndex > known.RaftAppliedIndex {
			known.RaftAppliedIndex, known.LastProgress = status.RaftAppliedIndex, now
		}
		break
	}
	if stalled := now.Sub(known.LastProgress); stalled > 0 {
		log.warning("Learner %s stalled at RaftAppliedIndex=%d for %s", m.Name, known.RaftAppliedIndex, stalled)
		if stalled > learnerLimit {
			if _, err := client.MemberRemove(ctx, m.ID); err != nil {
				return err
			}
			log.warning("Removed learner %s from etcd cluster", m.Name)
			return nil
		}
	}
	value, err := json.Marshal(known)
	if err != nil {
		return err
	}
	_, err = client.Put(ctx, learnerKey, string(value))
	return err
}
