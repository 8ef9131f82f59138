package main

import (
	"context"
	"encoding/json"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// The record in a running datastore.

// storedKeys reads the /bootstrap/ keys of the running datastore.
func (s *server) storedKeys(ctx context.Context) ([]storedKey, error) {
	client, err := s.etcd.local()
	if err != nil {
		return nil, err
	}
	got, err := client.Get(ctx, bootstrapPrefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	keys := []storedKey{}
	for _, kv := range got.Kvs {
		keys = append(keys, storedKey{string(kv.Key), kv.Value})
	}
	return keys, nil
}

// save puts the record of this server's files into the datastore, unless there is one
// (facts 2.4, 7.2 row 9).
func (s *server) save(ctx context.Context, override bool) error {
	log.info("Saving cluster bootstrap data to datastore")
	r, err := readRecord(s.files.bootstrapFiles(s.encryption()))
	if err != nil {
		return err
	}
	plaintext, err := json.Marshal(r)
	if err != nil {
		return err
	}
	password, err := normalizeToken(s.token)
	if err != nil {
		return err
	}
	value, err := encrypt(password, plaintext)
	if err != nil {
		return err
	}
	log.info("Opening etcd client connection with endpoints [%s]", s.etcd.endpoint())
	keys, err := s.storedKeys(ctx)
	if err != nil {
		return err
	}
	if _, err := pickRecord(keys, password, s.token); err != nil {
		return err
	}
	client, err := s.etcd.local()
	if err != nil {
		return err
	}
	key := bootstrapKey(password)
	for _, one := range keys {
		override = override || one.key == key && len(one.value) == 0
	}
	created, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(value))).Commit()
	if errors.Is(err, rpctypes.Error(rpctypes.ErrGRPCNotSupportedForLearner)) {
		return nil
	}
	if err != nil {
		return err
	}
	if created.Succeeded {
		return nil
	}
	log.warning("Bootstrap key already exists")
	if override {
		return put(ctx, client, key, string(value))
	}
	return nil
}
