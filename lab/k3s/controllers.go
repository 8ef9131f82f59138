package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
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

type lease struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       map[string]any `json:"spec"`
}

const leaseSeconds = 45

// lead runs work on the one server that holds the lease, until it loses it.
func (s *server) lead(ctx context.Context, name string, work func(context.Context)) {
	const folder = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
	lock := []field{{"lock", "kube-system/" + name}, {"logger", program}}
	log.line("info", "Attempting to acquire leader lease...", lock...)
	me := fmt.Sprintf("%s_%s", s.node, randomHex(8))
	var stop context.CancelFunc
	seen, seenAt, held := "", time.Now(), time.Time{}
	every(ctx, lookEvery, func() {
		now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
		var have lease
		err := s.kube.get(ctx, folder+"/"+name, &have)
		switch {
		case code(err) == http.StatusNotFound:
			have = lease{"coordination.k8s.io/v1", "Lease", map[string]any{"name": name, "namespace": "kube-system"},
				map[string]any{"holderIdentity": me, "leaseDurationSeconds": leaseSeconds, "acquireTime": now, "renewTime": now, "leaseTransitions": 0}}
			err = s.kube.create(ctx, folder, have, nil)
		case err == nil:
			holder, _ := have.Spec["holderIdentity"].(string)
			version := fmt.Sprint(have.Metadata["resourceVersion"])
			if version != seen {
				seen, seenAt = version, time.Now()
			}
			if holder != me && holder != "" && time.Since(seenAt) < leaseSeconds*time.Second {
				return // somebody else is alive
			}
			if holder != me {
				have.Spec["acquireTime"] = now
			}
			have.Spec["holderIdentity"], have.Spec["renewTime"] = me, now
			err = s.kube.replace(ctx, folder+"/"+name, have, nil)
		}
		switch {
		case err == nil && stop == nil:
			log.line("info", "Successfully acquired lease", lock...)
			var inner context.Context
			inner, stop = context.WithCancel(ctx)
			work(inner)
			held = time.Now()
		case err == nil:
			held = time.Now()
		case stop != nil && time.Since(held) > leaseSeconds*time.Second:
			stop()
			if ctx.Err() == nil {
				s.shutdown(fmt.Errorf("leader election lost for %s", name))
			}
		}
	})
}

// The snapshots' record in the API (facts 3.7).

const snapshotTypes = "/apis/k3s.cattle.io/v1/etcdsnapshotfiles"

// ensureSnapshotType creates the custom resource. Its schema is open: what k3s' own says about
// the fields is not among the facts.
func (s *server) ensureSnapshotType(ctx context.Context) {
	const name = "etcdsnapshotfiles.k3s.cattle.io"
	open := map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
	err := s.kube.create(ctx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"group": "k3s.cattle.io", "scope": "Cluster",
			"names": map[string]any{"kind": "ETCDSnapshotFile", "plural": "etcdsnapshotfiles", "singular": "etcdsnapshotfile"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true, "subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": open},
				"additionalPrinterColumns": []any{
					map[string]any{"name": "SnapshotName", "type": "string", "jsonPath": ".spec.snapshotName"},
					map[string]any{"name": "Node", "type": "string", "jsonPath": ".spec.nodeName"},
					map[string]any{"name": "Location", "type": "string", "jsonPath": ".spec.location"},
					map[string]any{"name": "Size", "type": "string", "jsonPath": ".status.size"},
					map[string]any{"name": "CreationTime", "type": "string", "jsonPath": ".status.creationTime"},
				},
			}},
		},
	}, nil)
	if err == nil {
		log.info("Creating embedded CRD %s", name)
		log.info("Waiting for CRD %s to become available", name)
		deadline := time.Now().Add(time.Minute)
		for s.kube.get(ctx, snapshotTypes, nil) != nil && time.Now().Before(deadline) && ctx.Err() == nil {
			time.Sleep(200 * time.Millisecond)
		}
		log.info("Done waiting for CRD %s to become available", name)
		return
	}
	log.info("Updating embedded CRD %s", name)
}

// recordSnapshots keeps the records like the folder, at the start, after each save, and every
// ten minutes.
func (s *server) recordSnapshots(ctx context.Context) {
	pause, err := time.ParseDuration(s.options.text("etcd-snapshot-reconcile-interval"))
	if err != nil {
		pause = 10 * time.Minute
	}
	for !s.reconcileSnapshots(ctx) && ctx.Err() == nil {
		time.Sleep(time.Second)
	}
	for ctx.Err() == nil {
		select {
		case <-time.After(pause):
			s.reconcileSnapshots(ctx)
		case <-ctx.Done():
		}
	}
}

func recordName(one snapshotFile) string {
	sum := sha256Hex([]byte(one.NodeName + one.Location))
	return "local-" + strings.ToLower(one.Name) + "-" + sum[:6]
}

func (s *server) reconcileSnapshots(ctx context.Context) bool {
	if s.snapshotFolder() == s.files.snapshots() {
		_ = os.MkdirAll(s.files.snapshots(), 0o700)
	}
	log.info("Reconciling ETCDSnapshotFile resources")
	files, err := s.listSnapshots(s.snapshotFolder())
	if err != nil {
		log.error("Failed to record snapshots for cluster: %v", err)
		return false
	}
	var have struct {
		Items []struct {
			Metadata struct{ Name string } `json:"metadata"`
			Spec     struct {
				NodeName string `json:"nodeName"`
				Location string `json:"location"`
			} `json:"spec"`
		} `json:"items"`
	}
	if err := s.kube.get(ctx, snapshotTypes, &have); err != nil {
		log.error("Failed to record snapshots for cluster: %v", err)
		return false
	}
	known := map[string]bool{}
	for _, one := range files {
		known[recordName(one)] = true
	}
	for _, record := range have.Items {
		if record.Spec.NodeName == s.node && !known[record.Metadata.Name] && strings.HasPrefix(record.Spec.Location, "file://") {
			_ = s.kube.remove(ctx, snapshotTypes+"/"+record.Metadata.Name)
		}
		delete(known, record.Metadata.Name)
	}
	for _, one := range files {
		if !known[recordName(one)] {
			continue
		}
		object := map[string]any{
			"apiVersion": "k3s.cattle.io/v1", "kind": "ETCDSnapshotFile",
			"metadata": map[string]any{
				"name":   recordName(one),
				"labels": map[string]string{"etcd.k3s.cattle.io/snapshot-storage-node": s.node},
			},
			"spec": map[string]any{"snapshotName": one.Name, "nodeName": s.node, "location": one.Location},
		}
		if password, err := normalizeToken(s.token); err == nil {
			object["metadata"].(map[string]any)["annotations"] = map[string]string{"etcd.k3s.cattle.io/snapshot-token-hash": tokenHash(password)}
		}
		if err := s.kube.create(ctx, snapshotTypes, object, nil); err != nil {
			log.error("Failed to record snapshots for cluster: %v", err)
			continue
		}
		_ = s.kube.call(ctx, http.MethodPatch, snapshotTypes+"/"+recordName(one)+"/status", "application/merge-patch+json", map[string]any{
			"status": map[string]any{"size": fmt.Sprint(one.Size), "creationTime": one.CreatedAt.Format(time.RFC3339), "readyToUse": true},
		}, nil)
	}
	log.info("Reconciliation of ETCDSnapshotFile resources complete")
	return true
}

// scheduleSnapshots takes one at each time of the cron line and keeps the newest.
func (s *server) scheduleSnapshots(ctx context.Context) {
	schedule, err := parseCron(s.options.text("etcd-snapshot-schedule-cron"))
	if err != nil {
		log.error("Failed to parse etcd snapshot schedule: %v", err)
		return
	}
	log.info("start")
	for entry := 1; ctx.Err() == nil; {
		now := time.Now()
		next := schedule.after(now)
		log.info("schedule, now=%s, entry=%d, next=%s", now.Format(time.RFC3339), entry, next.Format(time.RFC3339))
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return
		}
		base := s.options.text("etcd-snapshot-name")
		if _, err := s.saveSnapshot(ctx, s.snapshotFolder(), base, s.options.on("etcd-snapshot-compress")); err != nil {
			log.error("Failed to take scheduled snapshot: %v", err)
			continue
		}
		keep := 5
		_, _ = fmt.Sscan(s.options.text("etcd-snapshot-retention"), &keep)
		if _, err := s.prune(s.snapshotFolder(), base, keep); err != nil {
			log.error("Failed to apply snapshot retention policy: %v", err)
		}
		s.reconcileSnapshots(ctx)
	}
}
