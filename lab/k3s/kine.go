package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// The other datastore: SQLite behind kine (facts 1.1, 4, 7.2 row 3a). kine speaks etcd's API on a
// socket in the server's folder, which is the working directory of the process.

const kineSocket = "unix://kine.sock"

// kineLimit is longer than kine itself tries: three hundred times, a second apart, and half a minute for a lock each.
const kineLimit = 15 * time.Minute

// startKine starts kine and waits for its socket.
func (s *server) startKine(ctx context.Context) error {
	path, err := part("kine")
	if err != nil {
		return err
	}
	_ = os.Remove(s.files.server("kine.sock"))
	ready := make(chan struct{})
	running, err := startChild("kine", func(line []byte) bool {
		if bytes.Contains(line, []byte("Kine available at")) {
			close(ready)
		}
		// Only kine's own program says this; within k3s there is no metrics port of its own.
		return !bytes.Contains(line, []byte("metrics server"))
	}, nil, path, "--listen-address", kineSocket, "--metrics-bind-address=0")
	if err != nil {
		return err
	}
	s.etcd.mark(func() { s.etcd.child = running })
	select {
	case <-ready:
	case <-running.done:
		return fmt.Errorf("creating storage endpoint: kine: %w", running.exit())
	case <-time.After(kineLimit):
		return fmt.Errorf("creating storage endpoint: kine does not listen after %v", kineLimit)
	}
	go func() {
		<-running.done
		if ctx.Err() == nil {
			s.shutdown(fmt.Errorf("kine exited: %w", running.exit()))
		}
	}()
	return nil
}

// kineBootstrap reconciles with the record in kine; without one it locks the key, so that this
// server alone makes the authorities.
func (s *server) kineBootstrap() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	log.info("Reconciling bootstrap data between datastore and disk")
	keys, err := s.storedKeys(ctx)
	if err != nil {
		return err
	}
	if s.token == "" {
		if len(keys) == 0 {
			log.info("Datastore connection validated successfully, proceeding with bootstrap data generation")
			s.fresh = true
		}
		return nil // nothing to decrypt with (facts 2.6)
	}
	password, err := normalizeToken(s.token)
	if err != nil {
		return err
	}
	plaintext, err := pickRecord(keys, password, s.token)
	if err != nil {
		return err
	}
	if plaintext != nil {
		return s.useKeys(keys, false)
	}
	s.fresh = true
	if len(keys) > 0 {
		return nil // a lock that was left behind; save overrides it
	}
	log.info("Bootstrap key locked for initial create")
	client, err := s.etcd.local()
	if err != nil {
		return err
	}
	return put(ctx, client, bootstrapKey(password), "")
}

// put writes a key by the transaction that kine understands too; a plain put it does not.
func put(ctx context.Context, client *clientv3.Client, key, value string) error {
	now, err := client.Get(ctx, key)
	if err != nil {
		return err
	}
	if len(now.Kvs) == 0 {
		_, err = client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).Then(clientv3.OpPut(key, value)).Commit()
		return err
	}
	done, err := client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", now.Kvs[0].ModRevision)).
		Then(clientv3.OpPut(key, value)).Else(clientv3.OpGet(key)).Commit()
	if err == nil && !done.Succeeded {
		return fmt.Errorf("%s was changed by somebody else", key)
	}
	return err
}
