package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sort"
	"strings"
	"time"
)

// What runs beside a healthy control plane (facts 7.2, row 12): the shared serving certificate,
// snapshots on record, and on one server the keeper of etcd's members. k3s watches; the stand-in
// looks every few seconds, which is all that a lab needs.

const lookEvery = 2 * time.Second

// every calls f at once and then again and again.
func every(ctx context.Context, pause time.Duration, f func()) {
	for ctx.Err() == nil {
		f()
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func (s *server) controllers(ctx context.Context) {
	s.coreReady.Store(true)
	go s.serveNodes(ctx)
	if !s.etcd.sqlite && !s.options.on("etcd-disable-snapshots") {
		s.ensureSnapshotType(ctx)
		go s.recordSnapshots(ctx)
	}
	log.info("Starting dynamiclistener CN filter node controller with SANs: %v", append(s.hosts, s.address))
	go every(ctx, lookEvery, func() { s.syncServing(ctx) })
	if s.etcd.sqlite {
		go s.keepNode(ctx)
		return
	}
	log.info("Starting managed etcd node metadata controller")
	go s.keepNode(ctx)
	go s.lead(ctx, "k3s-etcd", func(ctx context.Context) {
		log.info("Starting managed etcd apiserver addresses controller")
		go every(ctx, lookEvery, func() { s.syncAddresses(ctx) })
		log.info("Starting managed etcd member removal controller")
		go every(ctx, lookEvery, func() { s.keepMembers(ctx) })
	})
	s.finishReset(ctx)
}

// syncServing shares the serving certificate's names over the Secret kube-system/k3s-serving, so
// that every server's certificate is good for all servers' names.
func (s *server) syncServing(ctx context.Context) {
	const path = "/api/v1/namespaces/kube-system/secrets/" + servingSecret
	d := &s.supervisor.cert
	var shared secret
	err := s.kube.get(ctx, path, &shared)
	switch {
	case code(err) == http.StatusNotFound:
		made, err := d.secret()
		if err != nil {
			return
		}
		var created secret
		if s.kube.create(ctx, "/api/v1/namespaces/kube-system/secrets", made, &created) != nil {
			return
		}
		log.info("Creating new TLS secret for kube-system/%s %s", servingSecret, strings.Replace(d.describe(), "(count ", "(count: ", 1))
		log.info("Active TLS secret kube-system/%s (ver=%s) %s", servingSecret, created.Metadata.ResourceVersion, d.describe())
	case err != nil:
		return
	case shared.Metadata.Annotations[cnFingerprint] == d.annotations()[cnFingerprint]:
		return
	default:
		s.mergeServing(ctx, path, shared)
	}
}

func (s *server) mergeServing(ctx context.Context, path string, shared secret) {
	d := &s.supervisor.cert
	d.mu.Lock()
	own := append([]string{}, d.hosts...)
	d.mu.Unlock()
	theirs := map[string]bool{}
	for key, value := range shared.Metadata.Annotations {
		if strings.HasPrefix(key, cnPrefix) {
			theirs[value] = true
		}
	}
	extra := false
	for _, host := range own {
		extra = extra || !theirs[host]
		theirs[host] = true
	}
	if !extra && d.use(shared) == nil {
		_ = d.keep()
		log.info("Active TLS secret kube-system/%s (ver=%s) %s", servingSecret, shared.Metadata.ResourceVersion, d.describe())
		return
	}
	all := []string{}
	for host := range theirs {
		all = append(all, host)
	}
	sort.Strings(all)
	if d.make(all) != nil {
		return
	}
	made, err := d.secret()
	if err != nil {
		return
	}
	made.Metadata.ResourceVersion = shared.Metadata.ResourceVersion
	var updated secret
	if s.kube.replace(ctx, path, made, &updated) != nil {
		return // somebody was faster; the next look merges again
	}
	log.info("Updating TLS secret for kube-system/%s %s", servingSecret, strings.Replace(d.describe(), "(count ", "(count: ", 1))
	log.info("Active TLS secret kube-system/%s (ver=%s) %s", servingSecret, updated.Metadata.ResourceVersion, d.describe())
}

// syncAddresses keeps the API servers' addresses in etcd (facts 3.2).
func (s *server) syncAddresses(ctx context.Context) {
	var endpoints struct {
		Subsets []struct {
			Addresses []struct {
				IP string `json:"ip"`
			} `json:"addresses"`
		} `json:"subsets"`
	}
	if s.kube.get(ctx, "/api/v1/namespaces/default/endpoints/kubernetes", &endpoints) != nil {
		return
	}
	addresses := []string{}
	for _, subset := range endpoints.Subsets {
		for _, one := range subset.Addresses {
			addresses = append(addresses, net.JoinHostPort(one.IP, supervisorPort))
		}
	}
	sort.Strings(addresses)
	value, err := json.Marshal(addresses)
	if err != nil || len(addresses) == 0 {
		return
	}
	client, err := s.etcd.local()
	if err != nil {
		return
	}
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if got, err := client.Get(limited, addressesKey); err == nil && (len(got.Kvs) == 0 || string(got.Kvs[0].Value) != string(value)) {
		_, _ = client.Put(limited, addressesKey, string(value))
	}
}
