package main

import (
	"bytes"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Reading etcd's database file without etcd (facts 5.1, 5.2): only for the bootstrap record.

// readStoredKeys gives the /bootstrap/ keys that the database file holds now: per key the value
// of the highest revision, unless that deleted it.
func readStoredKeys(path string) ([]storedKey, error) {
	log.info("Opening etcd MVCC KV backend database at %s", path)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, NoSync: true})
	if err != nil {
		return nil, err
	}
	log.info("Opened etcd MVCC KV store")
	defer func() {
		log.info("Closing etcd MVCC KV store")
		_ = db.Close()
	}()
	live := map[string][]byte{}
	err = db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("key"))
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(revision, value []byte) error {
			var kv mvccpb.KeyValue
			if err := kv.Unmarshal(value); err != nil {
				return fmt.Errorf("revision %x: %w", revision, err)
			}
			if !bytes.HasPrefix(kv.Key, []byte(bootstrapPrefix)) {
				return nil
			}
			// A revision of 18 bytes ends with `t`: a tombstone.
			if len(revision) == 18 && revision[17] == 't' {
				delete(live, string(kv.Key))
			} else {
				live[string(kv.Key)] = kv.Value
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	keys := []storedKey{}
	for key, value := range live {
		keys = append(keys, storedKey{key, value})
	}
	return keys, nil
}
