package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Facts 3.3: `<nodename>-<8 hex>`, kept in db/etcd/name, made anew only by a reset.
func TestTheMembersName(t *testing.T) {
	s := testServer(t)
	if err := s.etcd.setName("n7", false); err != nil {
		t.Fatal(err)
	}
	first := s.etcd.name
	if !regexp.MustCompile(`^n7-[0-9a-f]{8}$`).MatchString(first) {
		t.Fatal(first)
	}
	if err := s.etcd.setName("other", false); err != nil || s.etcd.name != first {
		t.Fatal(s.etcd.name, err)
	}
	if err := s.etcd.setName("n7", true); err != nil || s.etcd.name == first {
		t.Fatal(s.etcd.name, err)
	}
	if kept, _ := os.ReadFile(s.files.etcd("name")); string(kept) != s.etcd.name {
		t.Fatalf("%s", kept)
	}
}

// Facts 1.1: member/wal being a folder is what counts.
func TestInitialized(t *testing.T) {
	s := testServer(t)
	if got, err := s.etcd.initialized(); got || err != nil {
		t.Fatal(got, err)
	}
	if err := os.MkdirAll(s.files.etcd("member", "wal"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := s.etcd.initialized(); !got || err != nil {
		t.Fatal(got, err)
	}
	_ = os.Remove(s.files.etcd("member", "wal"))
	if err := os.WriteFile(s.files.etcd("member", "wal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.etcd.initialized()
	wantError(t, err, "invalid state for wal directory")
}

// Facts 3.4: ports, times and trust; facts 3.5, step 7: a reset listens on loopback only.
func TestTheConfigurationOfEtcd(t *testing.T) {
	s := testServer(t)
	s.etcd.name = "n7-00000000"
	c := s.etcd.config(etcdStart{cluster: "x", state: "new"})
	for key, want := range map[string]any{
		"listen-client-urls": "https://127.0.0.1:2379,https://198.51.100.7:2379", "listen-peer-urls": "https://127.0.0.1:2380,https://198.51.100.7:2380",
		"listen-metrics-urls": "http://127.0.0.1:2381", "listen-client-http-urls": "https://127.0.0.1:2382",
		"heartbeat-interval": 500, "election-timeout": 5000, "snapshot-count": 10000, "force-new-cluster": nil,
		"initial-advertise-peer-urls": "https://198.51.100.7:2380", "quota-backend-bytes": nil,
	} {
		if c[key] != want {
			t.Errorf("%s: %v", key, c[key])
		}
	}
	peer := c["peer-transport-security"].(trust)
	if !peer.ClientAuth || peer.TrustedCAFile != s.files.tls("etcd", "peer-ca.crt") {
		t.Error(peer)
	}
	s.etcd.extra = []string{"quota-backend-bytes=16777216"}
	c = s.etcd.config(etcdStart{reset: true})
	if c["listen-client-urls"] != "https://127.0.0.1:2379" || c["listen-peer-urls"] != "https://127.0.0.1:2380" || c["force-new-cluster"] != true {
		t.Error(c)
	}
	if c["quota-backend-bytes"] != int64(16777216) && c["quota-backend-bytes"] != float64(16777216) {
		t.Errorf("%T", c["quota-backend-bytes"])
	}
}

// Facts, trap 7: existing etcd data decide; a server without them and without flags is no etcd
// server.
func TestTheDatastoreIsChosenByTheData(t *testing.T) {
	s := testServer(t)
	if err := s.chooseDatastore(); err != nil || !s.etcd.sqlite {
		t.Fatal("no data and no flags:", s.etcd.sqlite, err)
	}
	if err := os.MkdirAll(s.files.etcd("member", "wal"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.chooseDatastore(); err != nil || s.etcd.sqlite {
		t.Fatal("etcd's data:", s.etcd.sqlite, err)
	}
}

// Facts 9: the lines with which a removed member's etcd ends decide what k3s says.
func TestARemovedMember(t *testing.T) {
	for _, one := range []struct {
		serving bool
		text    string
		marked  bool
	}{
		{true, "This node has been removed from the cluster - please restart k3s to rejoin the cluster", true},
		{false, "etcd exited: server is stopping", false},
	} {
		s := testServer(t)
		if err := os.MkdirAll(s.files.etcd(), 0o700); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		close(ended)
		// A status that is no crash.
		s.etcd.child, s.etcd.removed, s.etcd.serving = &child{done: ended}, true, one.serving
		text := captured(t, func() { s.watchEtcd(t.Context()) })
		if !strings.Contains(text, one.text) || exists(s.files.etcd("tombstone")) != one.marked {
			t.Errorf("%+v: %s", one, text)
		}
	}
}

// Facts 6.3, E17, E24: what ends etcd ends k3s; an error that etcd's start returns does not.
func TestLinesOfACrash(t *testing.T) {
	for text, want := range map[string]bool{
		`{"level":"fatal","ts":"x","caller":"storage/storage.go:1","msg":"failed to read WAL, cannot be repaired"}`: true,
		`{"level":"panic","ts":"x","caller":"backend/backend.go:1","msg":"failed to open database"}`:                true,
		"panic: freepages: failed to get all reachable pages":                                                       true,
		"fatal error: fault": true,
		`{"level":"fatal","caller":"etcdmain/etcd.go:204","msg":"discovery failed","error":"bind"}`: false,
		`{"level":"warn","msg":"\"level\":\"fatal\""}`:                                              false,
	} {
		if got := crashLine([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
