package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

// Facts 2.4: what must be alike on all servers.
func TestCriticalConfiguration(t *testing.T) {
	one, two := testServer(t), testServer(t, "--cluster-cidr", "10.99.0.0/16", "--flannel-backend=none", "--secrets-encryption")
	if got := one.critical().mismatches(one.critical()); len(got) != 0 {
		t.Error(got)
	}
	want := []string{"cluster-cidr", "secrets-encryption", "flannel-backend"}
	if got := one.critical().mismatches(two.critical()); !slices.Equal(got, want) {
		t.Error(got)
	}
}

func answering(t *testing.T, path, body string) *access {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(web.Close)
	return &access{url: web.URL}
}

// Facts 3.2: another member of this node's name ends the join, and the new name is forgotten.
func TestADuplicateNodeName(t *testing.T) {
	s := testServer(t)
	if err := s.etcd.setName("n7", false); err != nil {
		t.Fatal(err)
	}
	s.node = "n7"
	s.access = answering(t, "/db/info", `{"members":[{"ID":1,"name":"n7-84101f9f","peerURLs":["https://198.51.100.7:2380"],"clientURLs":["https://198.51.100.7:2379"]}]}`)
	again, err := s.joinOnce(t.Context())
	wantError(t, err, "duplicate node name found, please use a unique name for this node")
	if again || exists(s.files.etcd("name")) {
		t.Fatal("the name was kept")
	}
}

// Facts 3.2, K27: a server that cannot list its members is waited for.
func TestAServerWithoutAListIsWaitedFor(t *testing.T) {
	s := testServer(t)
	s.access = answering(t, "/other", "")
	var again bool
	text := captured(t, func() { again, _ = s.joinOnce(t.Context()) })
	if !again || !strings.Contains(text, "Waiting to retrieve etcd cluster member list: failed to get MemberList from server") {
		t.Fatal(text)
	}
}

// Facts 2.1, T01–T04: the hash decides before any password is sent.
func TestTheAuthorityIsCheckedByHash(t *testing.T) {
	var ca []byte
	asked := []string{}
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); ok && r.URL.Path != "/cacerts" {
			asked = append(asked, r.URL.Path)
		}
		_, _ = w.Write(ca)
	}))
	t.Cleanup(web.Close)
	ca = certificatePEM(web.Certificate().Raw)
	good := tokenPrefix + caHash(ca) + "::server:x"
	if a, err := validate(web.URL, good, "server", nil); err != nil || a.password != "x" {
		t.Fatal(err)
	}
	_, err := validate(web.URL, tokenPrefix+strings.Repeat("0", 64)+"::server:x", "server", nil)
	wantError(t, err, "token CA hash does not match the Cluster CA certificate hash: "+strings.Repeat("0", 64)+" != "+caHash(ca))
	text := captured(t, func() { _, err = validate(web.URL, "x", "server", nil) })
	if err != nil || !strings.Contains(text, "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash.") {
		t.Fatal(err, text)
	}
	if text = captured(t, func() { _, err = validate(web.URL, "x", "server", ca) }); err != nil || text != "" {
		t.Fatal("recorded: no warning once the CA is on disk", err, text)
	}
	web.Close()
	_, err = validate(web.URL, "x", "server", nil)
	wantError(t, err, "failed to get CA certs: Get ")
	if len(asked) != 0 {
		t.Fatal(asked)
	}
}

// Facts 3.2, T06.
func TestJoiningNeedsAToken(t *testing.T) {
	s := testServer(t, "--server", "https://127.0.0.1:1")
	wantError(t, s.bootstrap(), "token is required to join a cluster")
	_ = os.Remove(s.files.token())
}
