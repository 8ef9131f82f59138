package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
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
	agent      *agent // nil without one
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
	if s.node, s.address, err = o.nodeAndAddress(); err != nil {
		return nil, err
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
	var err error
	if s.token, err = s.options.token(); err != nil {
		return err
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
	_, err = normalizeToken(s.token)
	return err
}

func runServer(args []string) {
	o, err := parseOptions(serverFlags, args)
	if err != nil {
		log.fatal("Error: %v", err)
	}
	if err := o.refuseRoles(); err != nil {
		log.fatal("Error: %v", err)
	}
	for _, name := range o.unknown {
		log.warning("Unknown flag --%s found in config.yaml, skipping", name)
	}
	if err := o.logToFile(); err != nil {
		log.fatal("Error: %v", err)
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
	log.info("Starting %s %s", program, version())
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
