package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// rotateToken changes the server's password (facts 2.5): passwd and token file, and the record
// under a new key in the place of the old one.
func (v *supervisor) rotateToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		refuse(w, r, http.StatusMethodNotAllowed, errors.New("method not allowed"))
		return
	}
	var wanted struct {
		NewToken string `json:"newToken"`
	}
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		refuse(w, r, http.StatusBadRequest, err)
		return
	}
	if err := v.s.rotate(r.Context(), wanted.NewToken); err != nil {
		refuse(w, r, http.StatusInternalServerError, err)
	}
}

func (s *server) rotate(ctx context.Context, next string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if s.etcd.sqlite {
		return errors.New("the stand-in rotates tokens on etcd only")
	}
	before, err := normalizeToken(s.token)
	if err != nil {
		return err
	}
	after, err := normalizeToken(next)
	if err != nil {
		return err
	}
	kept, err := readPasswd(s.files.cred("passwd"))
	if err != nil {
		return err
	}
	if kept.node == kept.server {
		kept.node = after
	}
	kept.server = after
	if err := refresh(s.files.cred("passwd"), kept.bytes(), 0o600); err != nil {
		return err
	}
	if err := s.files.writeTokens(kept); err != nil {
		return err
	}
	r, err := readRecord(s.files.bootstrapFiles(s.encryption()))
	if err != nil {
		return err
	}
	plaintext, err := json.Marshal(r)
	if err != nil {
		return err
	}
	value, err := encrypt(after, plaintext)
	if err != nil {
		return err
	}
	client, err := s.etcd.local()
	if err != nil {
		return err
	}
	steps := []clientv3.Op{clientv3.OpPut(bootstrapKey(after), string(value))}
	if before != after {
		steps = append(steps, clientv3.OpDelete(bootstrapKey(before)))
	}
	if _, err = client.Txn(ctx).Then(steps...).Commit(); err != nil {
		return err
	}
	s.token = after
	return nil
}
