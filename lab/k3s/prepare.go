package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Before anything runs: which datastore, which authorities, which passwords (facts 2.4, 2.6, 7.2
// rows 3 and 4).

// prepare brings the disk in order: bootstrap data, certificates, passwords, kubeconfigs.
func (s *server) prepare(ctx context.Context) error {
	if err := s.chooseDatastore(); err != nil {
		return err
	}
	if s.etcd.sqlite {
		if err := s.startKine(ctx); err != nil {
			return err
		}
	}
	if err := s.bootstrap(); err != nil {
		return fmt.Errorf("failed to bootstrap cluster data: %w", err)
	}
	pki, err := s.files.ensurePKI(s.hosts)
	if err != nil {
		return err
	}
	s.pki = pki
	if err := s.ensurePasswords(); err != nil {
		return err
	}
	if err := s.ensureEncryption(); err != nil {
		return err
	}
	if err := s.files.writeKubeconfigs(); err != nil {
		return err
	}
	if err := s.files.writeEtc(s.options.text("egress-selector-mode")); err != nil {
		return err
	}
	s.kube, err = newKube(s.files)
	return err
}

// chooseDatastore: existing etcd data decide, whatever the flags say (facts, trap 7).
func (s *server) chooseDatastore() error {
	s.etcd = &etcd{
		files: s.files, address: s.address, extra: s.options.given("etcd-arg"),
		metrics: s.options.on("etcd-expose-metrics"),
	}
	initialized, err := s.etcd.initialized()
	if err != nil {
		return err
	}
	if initialized || s.options.on("cluster-init") || s.reset || s.options.text("server") != "" {
		return nil
	}
	if s.options.text("datastore-endpoint") != "" {
		return errors.New("the stand-in has no external datastore: leave --datastore-endpoint out")
	}
	s.etcd.sqlite = true
	return nil
}

// bootstrap gets the authorities: from the server that we join through, from our own etcd, or
// not at all, when a new cluster begins (facts 2.4, 7.2 row 3).
func (s *server) bootstrap() error {
	if s.etcd.sqlite {
		return s.kineBootstrap()
	}
	initialized, err := s.etcd.initialized()
	if err != nil {
		return err
	}
	url := s.options.text("server")
	known, _ := os.ReadFile(s.files.tls("server-ca.crt"))
	if initialized {
		log.info("Managed etcd cluster bootstrap already complete and initialized")
		if s.reset {
			return nil
		}
		return s.reconcileExisting(url, known)
	}
	if url == "" || s.reset {
		log.info("Managed etcd cluster initializing")
		return nil
	}
	if s.token == "" {
		return errors.New("token is required to join a cluster")
	}
	if s.access, err = validate(url, s.token, "server", known); err != nil {
		return err
	}
	log.info("Managed etcd cluster not yet initialized")
	s.joining = true
	if err := s.compareConfig(); err != nil {
		return err
	}
	log.info("Opening etcd client connection with endpoints []")
	return s.httpBootstrap()
}

// reconcileExisting compares with the other server's record, and failing that with our own.
func (s *server) reconcileExisting(url string, known []byte) error {
	if s.token == "" {
		return nil // nothing to decrypt with: skipped this once (facts 2.6)
	}
	if url != "" {
		var err error
		if s.access, err = validate(url, s.token, "server", known); err == nil {
			err = s.httpBootstrap()
		}
		if err == nil {
			log.info("Successfully reconciled with remote datastore")
			return nil
		}
		log.warning("Unable to reconcile with remote datastore: %v", err)
	}
	if err := s.reconcileLocal(); err != nil {
		return fmt.Errorf("failed to reconcile with local datastore: %w", err)
	}
	log.info("Successfully reconciled with local datastore")
	return nil
}

// tombstone deals with the mark of a removed member (facts 3.3): with a server to join through
// the database is moved away, without one the start ends here.
func (s *server) tombstone(url string) error {
	if !exists(s.files.etcd("tombstone")) || s.reset {
		return nil
	}
	if url == "" {
		return errors.New("tombstone file has been detected but --server is empty: backup and delete ${datadir}/server/db to create a new cluster, or set --server to rejoin")
	}
	if s.access == nil {
		known, _ := os.ReadFile(s.files.tls("server-ca.crt"))
		var err error
		if s.access, err = validate(url, s.token, "server", known); err != nil {
			return err
		}
	}
	log.info("tombstone file has been detected, removing ${datadir}/server/db to rejoin the cluster")
	s.joining = true
	return s.files.backupEtcd()
}

// ensurePasswords writes passwd, the token files and the psk (facts 1.1, 2.6).
func (s *server) ensurePasswords() error {
	kept, _ := readPasswd(s.files.cred("passwd"))
	if s.token != "" {
		password, err := normalizeToken(s.token)
		if err != nil {
			return err
		}
		kept.server = password
	} else if kept.server == "" {
		kept.server = randomHex(16)
	}
	kept.node = kept.server
	agent := s.options.text("agent-token")
	if path := s.options.text("agent-token-file"); agent == "" && path != "" {
		var err error
		if agent, err = trimmed(path); err != nil {
			return err
		}
	}
	if agent != "" {
		password, err := normalizeToken(agent)
		if err != nil {
			return err
		}
		kept.node = password
	}
	if err := refresh(s.files.cred("passwd"), kept.bytes(), 0o600); err != nil {
		return err
	}
	if !exists(s.files.cred("ipsec.psk")) {
		if err := writeFile(s.files.cred("ipsec.psk"), []byte(randomHex(48)), 0o600); err != nil {
			return err
		}
	}
	if err := s.files.writeTokens(kept); err != nil {
		return err
	}
	if s.token == "" {
		s.token = kept.server
	}
	if !exists(s.files.nodePassword()) {
		return writeFile(s.files.nodePassword(), []byte(randomHex(16)+"\n"), 0o600)
	}
	return nil
}
