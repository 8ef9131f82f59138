package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// `k3s server`: what happens in which order (facts 7.2).

type server struct {
	options *options
	files   layout
	token   string
	node    string
	address string
	hosts   []string // names of the serving certificates
	access  *access  // the server that we join through, if one is named
	reset   bool

	pki        *authorities
	etcd       *etcd
	supervisor *supervisor
	kube       *kube
	joining    bool
	fresh      bool // sqlite: the record has yet to be written

	apiStarted atomic.Bool // kube-apiserver runs, ready or not
	coreReady  atomic.Bool // our own controllers run

	stop     context.CancelFunc
	mu       sync.Mutex
	why      error // the reason of the end, nil for a signal
	children []*child
}

// shutdown ends the process in order, with a reason in the log. As in k3s ≥ 1.33.6 the exit
// status is 0 all the same (facts 7.3).
func (s *server) shutdown(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return
	}
	s.why = why
	log.error("Shutdown request received: %q", why.Error())
	s.stop()
}

func (s *server) encryption() bool { return s.options.on("secrets-encryption") }

func (s *server) podRange() string { return s.options.first("cluster-cidr", "10.42.0.0/16") }
func (s *server) serviceRange() string {
	return s.options.first("service-cidr", "10.43.0.0/16")
}

// nth is the n-th address of a range.
func nth(cidr string, n int) string {
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		return ""
	}
	ip := append(net.IP{}, network.IP...)
	ip[len(ip)-1] += byte(n)
	return ip.String()
}

func (s *server) clusterDNS() string {
	return s.options.first("cluster-dns", nth(s.serviceRange(), 10))
}

func newServer(o *options) (*server, error) {
	data, err := filepath.Abs(o.text("data-dir"))
	if err != nil {
		return nil, err
	}
	s := &server{options: o, files: layout{data: data, etc: etcFolder()}, reset: o.on("cluster-reset")}
	s.node = strings.ToLower(o.text("node-name"))
	if s.node == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		s.node = strings.ToLower(name)
	}
	s.address = o.first("node-ip", o.text("advertise-address"))
	if s.address == "" {
		if s.address, err = defaultAddress(); err != nil {
			return nil, err
		}
	}
	s.hosts = baseHosts(s.node, s.address, nth(s.serviceRange(), 1), o.text("cluster-domain"), o.all("tls-san"))
	return s, s.readToken()
}

// defaultAddress is the address that the default route leaves by.
func defaultAddress() (string, error) {
	conn, err := net.Dial("udp", "192.0.2.1:9")
	if err != nil {
		return "", fmt.Errorf("no default routes found: %w; give --node-ip", err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String(), nil
}

// readToken takes the token from the flag, a file, or the file of an earlier start (facts 2.6).
func (s *server) readToken() error {
	s.token = s.options.text("token")
	if s.token == "" && s.options.text("token-file") != "" {
		token, err := trimmed(s.options.text("token-file"))
		if err != nil {
			return err
		}
		s.token = token
	}
	if s.token == "" && exists(s.files.token()) {
		token, err := trimmed(s.files.token())
		if err != nil {
			return err
		}
		s.token = token
	}
	if s.token == "" {
		return nil
	}
	_, err := normalizeToken(s.token)
	return err
}

func runServer(args []string) {
	o, err := parseOptions(serverFlags, args)
	if err != nil {
		log.fatal("Error: %v", err)
	}
	for _, name := range o.unknown {
		log.warning("Unknown flag --%s found in config.yaml, skipping", name)
	}
	if path := o.text("log"); path != "" {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			log.fatal("Error: %v", err)
		}
		log.out = file
	}
	s, err := newServer(o)
	if err != nil {
		log.fatal("Error: %v", err)
	}
	if err := s.checkReset(); err != nil {
		log.fatal("Error: %v", err)
	}
	if o.on("disable-agent") && o.text("egress-selector-mode") == "agent" {
		log.warning("Webhooks and apiserver aggregation may not function properly without an agent; please set egress-selector-mode to 'cluster' or 'pod'")
	}
	if err := s.files.make(); err != nil {
		log.fatal("Error: %v", err)
	}
	if err := s.files.unpack(); err != nil {
		log.fatal("Error: %v", err)
	}
	log.info("Starting %s %s", program, version)
	// As k3s does: relative paths land there (facts 1.1).
	if err := os.Chdir(s.files.server()); err != nil {
		log.fatal("Error: %v", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	s.stop = stop
	if err := s.prepare(ctx); err != nil {
		log.fatal("Error: preparing server: %v", err)
	}
	if err := s.start(ctx); err != nil {
		log.fatal("Error: starting kubernetes: %v", err)
	}
	<-ctx.Done()
	s.end()
}

// prepare brings the disk in order: bootstrap data, certificates, passwords, kubeconfigs.
func (s *server) prepare(ctx context.Context) error {
	if err := s.chooseDatastore(); err != nil {
		return err
	}
	if s.etcd.sqlite {
		if err := s.startKine(ctx); err != nil {
			return err
		}
	}
	if err := s.bootstrap(); err != nil {
		return fmt.Errorf("failed to bootstrap cluster data: %w", err)
	}
	pki, err := s.files.ensurePKI(s.hosts)
	if err != nil {
		return err
	}
	s.pki = pki
	if err := s.ensurePasswords(); err != nil {
		return err
	}
	if err := s.files.writeKubeconfigs(); err != nil {
		return err
	}
	if err := s.files.writeEtc(s.options.text("egress-selector-mode")); err != nil {
		return err
	}
	s.kube, err = newKube(s.files)
	return err
}

// chooseDatastore: existing etcd data decide, whatever the flags say (facts, trap 7).
func (s *server) chooseDatastore() error {
	s.etcd = &etcd{
		files: s.files, address: s.address, extra: s.options.given("etcd-arg"),
		metrics: s.options.on("etcd-expose-metrics"), ready: make(chan struct{}),
	}
	initialized, err := s.etcd.initialized()
	if err != nil {
		return err
	}
	if initialized || s.options.on("cluster-init") || s.reset || s.options.text("server") != "" {
		return nil
	}
	if s.options.text("datastore-endpoint") != "" {
		return errors.New("the stand-in has no external datastore: leave --datastore-endpoint out")
	}
	s.etcd.sqlite = true
	return nil
}

// bootstrap gets the authorities: from the server that we join through, from our own etcd, or
// not at all, when a new cluster begins (facts 2.4, 7.2 row 3).
func (s *server) bootstrap() error {
	if s.etcd.sqlite {
		return s.kineBootstrap()
	}
	initialized, err := s.etcd.initialized()
	if err != nil {
		return err
	}
	url := s.options.text("server")
	known, _ := os.ReadFile(s.files.tls("server-ca.crt"))
	if initialized {
		log.info("Managed etcd cluster bootstrap already complete and initialized")
		if s.reset {
			return nil
		}
		return s.reconcileExisting(url, known)
	}
	if url == "" || s.reset {
		log.info("Managed etcd cluster initializing")
		return nil
	}
	if s.token == "" {
		return errors.New("token is required to join a cluster")
	}
	if s.access, err = validate(url, s.token, "server", known); err != nil {
		return err
	}
	log.info("Managed etcd cluster not yet initialized")
	s.joining = true
	if err := s.compareConfig(); err != nil {
		return err
	}
	log.info("Opening etcd client connection with endpoints []")
	return s.httpBootstrap()
}

// reconcileExisting compares with the other server's record, and failing that with our own.
func (s *server) reconcileExisting(url string, known []byte) error {
	if s.token == "" {
		return nil // nothing to decrypt with: skipped this once (facts 2.6)
	}
	if url != "" {
		var err error
		if s.access, err = validate(url, s.token, "server", known); err == nil {
			err = s.httpBootstrap()
		}
		if err == nil {
			log.info("Successfully reconciled with remote datastore")
			return nil
		}
		log.warning("Unable to reconcile with remote datastore: %v", err)
	}
	if err := s.reconcileLocal(); err != nil {
		return fmt.Errorf("failed to reconcile with local datastore: %w", err)
	}
	log.info("Successfully reconciled with local datastore")
	return nil
}

// tombstone deals with the mark of a removed member (facts 3.3): with a server to join through
// the database is moved away, without one the start ends here.
func (s *server) tombstone(url string) error {
	if !exists(s.files.etcd("tombstone")) || s.reset {
		return nil
	}
	if url == "" {
		return errors.New("tombstone file has been detected but --server is empty: backup and delete ${datadir}/server/db to create a new cluster, or set --server to rejoin")
	}
	if s.access == nil {
		known, _ := os.ReadFile(s.files.tls("server-ca.crt"))
		var err error
		if s.access, err = validate(url, s.token, "server", known); err != nil {
			return err
		}
	}
	log.info("tombstone file has been detected, removing ${datadir}/server/db to rejoin the cluster")
	s.joining = true
	return s.files.backupEtcd()
}

// ensurePasswords writes passwd, the token files and the psk (facts 1.1, 2.6).
func (s *server) ensurePasswords() error {
	kept, _ := readPasswd(s.files.cred("passwd"))
	if s.token != "" {
		password, err := normalizeToken(s.token)
		if err != nil {
			return err
		}
		kept.server = password
	} else if kept.server == "" {
		kept.server = randomHex(16)
	}
	kept.node = kept.server
	agent := s.options.text("agent-token")
	if path := s.options.text("agent-token-file"); agent == "" && path != "" {
		var err error
		if agent, err = trimmed(path); err != nil {
			return err
		}
	}
	if agent != "" {
		password, err := normalizeToken(agent)
		if err != nil {
			return err
		}
		kept.node = password
	}
	if err := refresh(s.files.cred("passwd"), kept.bytes(), 0o600); err != nil {
		return err
	}
	if !exists(s.files.cred("ipsec.psk")) {
		if err := writeFile(s.files.cred("ipsec.psk"), []byte(randomHex(48)), 0o600); err != nil {
			return err
		}
	}
	if err := s.files.writeTokens(kept); err != nil {
		return err
	}
	if s.token == "" {
		s.token = kept.server
	}
	if !exists(s.files.nodePassword()) {
		return writeFile(s.files.nodePassword(), []byte(randomHex(16)+"\n"), 0o600)
	}
	return nil
}

// start opens the port and starts the parts. What fails in here is fatal; what fails later ends
// in shutdown.
func (s *server) start(ctx context.Context) error {
	if err := s.tombstone(s.options.text("server")); err != nil {
		return fmt.Errorf("failed to start cluster: init cluster datastore and https: %w", err)
	}
	if err := s.serve(); err != nil {
		return fmt.Errorf("failed to start cluster: %w", err)
	}
	if s.reset {
		if err := s.resetCluster(ctx); err != nil {
			return fmt.Errorf("failed to start cluster: start managed database: %w", err)
		}
		return nil
	}
	if err := s.files.ensureAgentPKI(s.pki, s.node, unique([]string{s.node, "127.0.0.1", "::1", "localhost", s.address})); err != nil {
		return err
	}
	apiReady := s.pollAPI(ctx)
	if s.etcd.sqlite {
		if err := s.announce(); err != nil {
			return err
		}
		go s.run(ctx, apiReady)
		return nil
	}
	initialized, err := s.etcd.initialized()
	if err != nil {
		return err
	}
	if err := s.etcd.setName(s.node, false); err != nil {
		return err
	}
	if !s.options.on("etcd-disable-snapshots") {
		go s.scheduleSnapshots(ctx)
	}
	switch {
	case initialized:
		log.info("Starting etcd for existing cluster member")
		if err := s.etcd.start(s.etcd.kept()); err != nil {
			return fmt.Errorf("failed to start cluster: start managed database: %w", err)
		}
		go s.watchEtcd(ctx)
	case s.joining:
		s.learnersOnce(ctx)
		go func() {
			s.join(ctx)
			s.watchEtcd(ctx)
		}()
	default:
		log.info("Starting etcd for new cluster, cluster-reset=false")
		if err := s.etcd.start(etcdStart{}); err != nil {
			return fmt.Errorf("failed to start cluster: start managed database: %w", err)
		}
		go s.watchEtcd(ctx)
	}
	go func() {
		if !s.joining {
			s.learnersOnce(ctx)
		}
		s.manageLearners(ctx)
	}()
	if err := s.announce(); err != nil {
		return err
	}
	if !s.options.on("etcd-disable-snapshots") && s.snapshotFolder() == s.files.snapshots() {
		if err := os.MkdirAll(s.files.snapshots(), 0o700); err != nil {
			return err
		}
	}
	go s.run(ctx, apiReady)
	return nil
}

// announce prints the lines with which k3s ends its synchronous part. The control plane is not
// up yet: each part waits for the one below.
func (s *server) announce() error {
	for _, one := range s.controlPlane() {
		log.info("Running %s %s", one.name, strings.Join(one.args, " "))
	}
	port := s.options.text("https-listen-port")
	kubeconfig := s.options.text("write-kubeconfig")
	if kubeconfig == "" {
		kubeconfig = filepath.Join(s.files.etc, "k3s", "k3s.yaml")
	}
	if err := s.files.writeAdmin(kubeconfig, port, s.options.text("write-kubeconfig-mode")); err != nil {
		return err
	}
	url := "https://" + net.JoinHostPort(s.address, port)
	log.info("Server node token is available at %s", s.files.token())
	log.info("To join server node to cluster: k3s server -s %s -t ${SERVER_NODE_TOKEN}", url)
	log.info("Agent node token is available at %s", s.files.agentToken())
	log.info("To join agent node to cluster: k3s agent -s %s -t ${AGENT_NODE_TOKEN}", url)
	log.info("Wrote kubeconfig %s", kubeconfig)
	log.info("Run: k3s kubectl")
	return nil
}

// run brings up what depends on etcd.
func (s *server) run(ctx context.Context, apiReady <-chan struct{}) {
	if !s.awaitEtcd(ctx) {
		return
	}
	if err := s.saveIfDue(ctx); err != nil {
		// k3s panics here: two servers with different authorities must not go on.
		s.shutdown(fmt.Errorf("failed to save bootstrap data: %w", err))
		return
	}
	parts := s.controlPlane()
	if err := s.launch(ctx, parts[0]); err != nil {
		s.shutdown(err)
		return
	}
	s.apiStarted.Store(true)
	select {
	case <-apiReady:
	case <-ctx.Done():
		return
	}
	log.info("Kube API server is now running")
	log.info("%s is up and running", program)
	notify("READY=1\n")
	for _, one := range parts[1:] {
		if err := s.launch(ctx, one); err != nil {
			s.shutdown(err)
			return
		}
	}
	s.controllers(ctx)
}

// saveIfDue writes the record: to etcd at every start, to kine when there was none.
func (s *server) saveIfDue(ctx context.Context) error {
	if s.etcd.sqlite && !s.fresh {
		return nil
	}
	return s.save(ctx, false)
}

// awaitEtcd repeats the test every five seconds, as long as it takes.
func (s *server) awaitEtcd(ctx context.Context) bool {
	for {
		var err error // with sqlite there is nothing to test, and the lines are the same (facts, trap 6)
		if !s.etcd.sqlite {
			err = s.etcd.test(ctx)
		}
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			log.info("Connection to etcd is ready")
			log.info("ETCD server is now running")
			return true
		}
		log.info("Failed to test etcd connection: %v", err)
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
			return false
		}
	}
}

// apiLimit is how long the API server may take (facts, K53).
const apiLimit = 15 * time.Minute

// pollAPI asks /readyz until it is fine and prints the error whenever it changes.
func (s *server) pollAPI(ctx context.Context) <-chan struct{} {
	ready := make(chan struct{})
	go func() {
		last, deadline := "", time.Now().Add(apiLimit)
		for ctx.Err() == nil {
			err := s.kube.readiness(ctx)
			if err == nil {
				close(ready)
				return
			}
			if text := err.Error(); text != last && ctx.Err() == nil {
				last = text
				log.info("Polling for API server readiness: GET /readyz failed: %v", err)
			}
			if time.Now().After(deadline) {
				s.shutdown(errors.New("failed to wait for API server to become ready: context deadline exceeded"))
				return
			}
			select {
			case <-time.After(2 * time.Second):
			case <-ctx.Done():
			}
		}
	}()
	return ready
}

// launch starts a part and ends the process when the part does.
func (s *server) launch(ctx context.Context, one component) error {
	path, err := part(one.name)
	if err != nil {
		return err
	}
	running, err := startChild(one.name, nil, nil, path, one.args...)
	if err != nil {
		return fmt.Errorf("%s: %w", one.name, err)
	}
	s.mu.Lock()
	s.children = append(s.children, running)
	s.mu.Unlock()
	go func() {
		<-running.done
		if ctx.Err() == nil {
			s.shutdown(fmt.Errorf("%s exited: %w", one.short, running.exit()))
		}
	}()
	return nil
}

// end stops the parts, the last started first and etcd last.
func (s *server) end() {
	s.mu.Lock()
	children := append([]*child{}, s.children...)
	s.mu.Unlock()
	for i := len(children) - 1; i >= 0; i-- {
		children[i].stop(3 * time.Second)
	}
	if running := s.etcd.running(); running != nil {
		select {
		case <-running.done:
		default:
			if s.etcd.sqlite {
				running.stop(10 * time.Second)
				break
			}
			log.info("Stopping etcd server...")
			running.stop(10 * time.Second)
			log.info("etcd server stopped")
		}
	}
	os.Exit(0)
}
