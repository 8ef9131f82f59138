package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"
)

// Facts 2.1: the forms of a token.
func TestFormsOfAToken(t *testing.T) {
	hash := strings.Repeat("0", 64)
	for given, want := range map[string]token{
		"secret":                      {password: "secret"},
		"K10" + hash + "::server:a:b": {hash, "server", "a:b"},
		"K10" + hash + "::node:x":     {hash, "node", "x"},
	} {
		if got, err := parseToken(given); err != nil || got != want {
			t.Errorf("%s: %v %v", given, got, err)
		}
	}
	for _, bad := range []string{"", "K10abc::server:x", "K10" + hash, "K10" + hash + "::server:"} {
		_, err := normalizeToken(bad)
		wantError(t, err, "failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>")
	}
}

// Facts 2.1: one certificate is hashed as the file's bytes, newline and all. The bytes are those
// that sha256sum hashed.
func TestASingleCertificateIsHashedAsAFile(t *testing.T) {
	file := []byte("-----BEGIN CERTIFICATE-----\nlab\n")
	if got := caHash(file); got != "7ea52e95a6fd18cc4513ce5de5a80d8ff4b68fdd1956111b1fe87b594ef8bf67" {
		t.Fatal(got)
	}
	s := testServer(t)
	captured(t, func() {
		if err := makeAuthority("k3s-server-ca", s.files.tls("server-ca")); err != nil {
			t.Fatal(err)
		}
	})
	content, _ := os.ReadFile(s.files.tls("server-ca.crt"))
	if got := fullToken(content, "server", "x"); got != "K10"+sha256Hex(content)+"::server:x" {
		t.Fatal(got)
	}
}

// Facts 2.1: of a bundle the DER of the root counts.
func TestABundleIsHashedByItsRoot(t *testing.T) {
	issue := func(serial int64, name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		if parent == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		made, _ := x509.ParseCertificate(der)
		return made, key
	}
	root, rootKey := issue(1, "root", nil, nil)
	own, _ := issue(2, "own", root, rootKey)
	bundle := append(certificatePEM(own.Raw), certificatePEM(root.Raw)...)
	sum := sha256.Sum256(root.Raw)
	if got := caHash(bundle); got != hex.EncodeToString(sum[:]) {
		t.Fatal(got)
	}
	stranger, _ := issue(3, "stranger", nil, nil)
	unrelated := append(certificatePEM(own.Raw), certificatePEM(stranger.Raw)...)
	if got := caHash(unrelated); got != sha256Hex(unrelated) {
		t.Fatal("a bundle without a chain is hashed as a file")
	}
}

// Facts 1.1: passwd, token, its link, and agent-token with and without a password of its own.
func TestTokenFiles(t *testing.T) {
	s := testServer(t, "--token", "pw")
	captured(t, func() {
		if err := makeAuthority("k3s-server-ca", s.files.tls("server-ca")); err != nil {
			t.Fatal(err)
		}
	})
	for _, folder := range []string{s.files.cred(""), s.files.etc} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ensurePasswords(); err != nil {
		t.Fatal(err)
	}
	content, _ := os.ReadFile(s.files.cred("passwd"))
	if string(content) != "pw,node,node,k3s:agent\npw,server,server,k3s:server\n" {
		t.Fatalf("%s", content)
	}
	token, _ := os.ReadFile(s.files.token())
	for _, name := range []string{s.files.server("node-token"), s.files.agentToken()} {
		if to, err := os.Readlink(name); err != nil || to != s.files.token() {
			t.Errorf("%s -> %s %v", name, to, err)
		}
	}
	if !strings.HasSuffix(string(token), "::server:pw\n") || len(token) != 3+64+2+len("server:pw\n") {
		t.Errorf("%s", token)
	}
	other := testServer(t, "--token", "pw", "--agent-token", "agents")
	other.files = s.files
	if err := other.ensurePasswords(); err != nil {
		t.Fatal(err)
	}
	if agent, _ := os.ReadFile(s.files.agentToken()); !strings.HasSuffix(string(agent), "::node:agents\n") {
		t.Errorf("%s", agent)
	}
}

// Facts 2.6: without a flag the token is the file's, and without the file that of passwd.
func TestTheTokenOfAnEarlierStart(t *testing.T) {
	s := testServer(t)
	if s.token != "" {
		t.Fatal(s.token)
	}
	if err := writeFile(s.files.token(), []byte("K10"+strings.Repeat("0", 64)+"::server:kept\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.readToken(); err != nil {
		t.Fatal(err)
	}
	if password, _ := normalizeToken(s.token); password != "kept" {
		t.Fatal(password)
	}
}
