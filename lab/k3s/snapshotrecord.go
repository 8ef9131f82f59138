package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

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
