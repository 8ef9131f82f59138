package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Starting and ending the parts, in the order of facts 7.2, rows 5 to 11.

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
	s.startAgent(ctx)
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
			running.dieAlike(false)
			s.shutdown(fmt.Errorf("%s exited: %w", one.short, running.exit()))
		}
	}()
	return nil
}

// end stops the parts, etcd last.
func (s *server) end() {
	s.mu.Lock()
	children := append([]*child{}, s.children...)
	s.mu.Unlock()
	s.agent.stopChildren()
	// k3s does not wait for the control plane to drain; a moment is for its leases.
	var stopped sync.WaitGroup
	for _, one := range children {
		stopped.Go(func() { one.stop(time.Second) })
	}
	stopped.Wait()
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
