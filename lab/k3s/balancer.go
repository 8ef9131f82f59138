package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// An agent's load balancer (facts 1.2, 6.2 T21): a port of the node's own, behind which are all
// servers. It remembers them in a file, so that an agent starts while its first server is away.

const balancerName = "k3s-agent-load-balancer"

type balancer struct {
	file  string
	url   string // as given
	first string // the host and port of it

	mu        sync.Mutex
	addresses []string
	failed    map[string]bool
	conns     map[net.Conn]string // open ones, by server
}

// kept is the file's form.
type kept struct {
	ServerURL       string   `json:"ServerURL"`
	ServerAddresses []string `json:"ServerAddresses"`
}

func (b *balancer) listen(address string) error {
	b.failed, b.conns = map[string]bool{}, map[net.Conn]string{}
	var before kept
	if content, err := os.ReadFile(b.file); err == nil && json.Unmarshal(content, &before) == nil && before.ServerURL == b.url {
		b.addresses = before.ServerAddresses
	}
	if len(b.addresses) == 0 {
		b.addresses = []string{b.first}
	}
	for _, one := range b.addresses {
		log.info("Adding server to load balancer %s: %s", balancerName, one)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.info("Running load balancer %s %s -> %v [default: %s]", balancerName, address, b.addresses, b.first)
	if err := b.keep(); err != nil {
		return err
	}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go b.serve(near)
		}
	}()
	return nil
}

func (b *balancer) keep() error {
	content, err := json.Marshal(kept{b.url, b.addresses})
	if err != nil {
		return err
	}
	return writeFile(b.file, append(content, '\n'), 0o600)
}

// dial tries the servers in turn, those that failed last.
func (b *balancer) dial() (net.Conn, string, error) {
	b.mu.Lock()
	order := append([]string{}, b.addresses...)
	slices.SortStableFunc(order, func(one, other string) int {
		switch failed := b.failed; {
		case failed[one] == failed[other]:
			return 0
		case failed[one]:
			return 1
		}
		return -1
	})
	b.mu.Unlock()
	for _, one := range order {
		far, err := net.DialTimeout("tcp", one, 5*time.Second)
		b.mark(one, err != nil)
		if err == nil {
			return far, one, nil
		}
	}
	return nil, "", errors.New("all servers failed")
}

func (b *balancer) mark(server string, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed[server] == failed {
		return
	}
	b.failed[server] = failed
	if failed {
		log.info("Server %s@ACTIVE->FAILED from failed dial", server)
	} else {
		log.info("Server %s@FAILED->ACTIVE from successful dial", server)
	}
}

func (b *balancer) serve(near net.Conn) {
	defer near.Close()
	far, server, err := b.dial()
	if err != nil {
		return // the caller sees the end of its connection
	}
	defer far.Close()
	b.mu.Lock()
	b.conns[near] = server
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.conns, near)
		b.mu.Unlock()
	}()
	ended := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(far, near); ended <- struct{}{} }()
	go func() { _, _ = io.Copy(near, far); ended <- struct{}{} }()
	<-ended
}

// learn asks a server for all of them.
func (b *balancer) learn(from *access) {
	body, err := from.get("/v1-k3s/apiservers", 10*time.Second)
	if err != nil {
		return
	}
	var addresses []string
	if json.Unmarshal(body, &addresses) != nil || len(addresses) == 0 {
		return
	}
	slices.Sort(addresses)
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Equal(addresses, b.addresses) {
		return
	}
	for _, one := range addresses {
		if !slices.Contains(b.addresses, one) {
			log.info("Adding server to load balancer %s: %s", balancerName, one)
		}
	}
	for _, one := range b.addresses {
		if !slices.Contains(addresses, one) {
			log.info("Removing server from load balancer %s: %s", balancerName, one)
			for near, server := range b.conns {
				if server == one {
					_ = near.Close()
				}
			}
		}
	}
	b.addresses = addresses
	log.info("Updated load balancer %s server addresses -> %v [default: %s]", balancerName, addresses, b.first)
	if err := b.keep(); err != nil {
		log.error("Failed to write %s: %v", b.file, fmt.Errorf("%s: %w", strings.TrimSpace(b.url), err))
	}
}
