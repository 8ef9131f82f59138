package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACertificateComesWithItsKey(t *testing.T) {
	made, err := ensureAuthority("test-ca", filepath.Join(t.TempDir(), "ca"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(keyOf(t))
	if err != nil {
		t.Fatal(err)
	}
	certificate, rest := split(append(append([]byte{}, made.pem...), key...))
	if string(certificate) != string(made.pem) || string(rest) != string(key) {
		t.Fatalf("certificate %d of %d bytes, key %d of %d", len(certificate), len(made.pem), len(rest), len(key))
	}
	if certificate, rest := split([]byte("no PEM")); certificate != nil || rest != nil {
		t.Fatal("something was found where nothing is")
	}
}

func keyOf(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "node.key")
	if _, err := keyFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsableResolvers(t *testing.T) {
	for content, good := range map[string]bool{
		"nameserver 198.51.100.1\n":                       true,
		"search x\nnameserver 192.0.2.7 # a\n":            true,
		"nameserver 127.0.0.53\n":                         false,
		"nameserver 198.51.100.1\nnameserver 127.0.0.1\n": false,
		"nameserver fe80::1\n":                            false,
		"nameserver 224.0.0.251\n":                        false,
		"# Nothing resolves outside.\n":                   false,
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if usable(path) != good {
			t.Errorf("%q: %v", content, !good)
		}
	}
	if usable(filepath.Join(t.TempDir(), "none")) {
		t.Error("a file that is not there")
	}
}

// echo answers whoever comes with a word.
func echo(t *testing.T, word string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, word)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

func free(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestTheBalancerTriesAllServers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "balancer.json")
	dead, alive, own := free(t), echo(t, "pong"), free(t)
	content, err := json.Marshal(kept{"https://first:6443", []string{dead, alive}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	b := &balancer{file: file, url: "https://first:6443", first: dead}
	if err := b.listen(own); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		conn, err := net.Dial("tcp", own)
		if err != nil {
			t.Fatal(err)
		}
		if said, _ := io.ReadAll(conn); string(said) != "pong" {
			t.Fatalf("%q", said)
		}
	}
	if !b.failed[dead] || b.failed[alive] {
		t.Fatalf("%v", b.failed)
	}
}

func TestTheBalancerRemembersServers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "balancer.json")
	b := &balancer{file: file, url: "https://first:6443", first: "first:6443"}
	if err := b.listen(free(t)); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(content), `"ServerURL":"https://first:6443","ServerAddresses":["first:6443"]`) {
		t.Fatalf("%s %v", content, err)
	}
	// Of another cluster nothing is remembered.
	other := &balancer{file: file, url: "https://other:6443", first: "other:6443"}
	if err := other.listen(free(t)); err != nil || len(other.addresses) != 1 || other.addresses[0] != "other:6443" {
		t.Fatalf("%v %v", other.addresses, err)
	}
}
