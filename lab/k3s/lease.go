package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Leader election by a Lease, for what only one server may do.

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
