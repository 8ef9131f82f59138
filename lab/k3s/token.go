package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Tokens (facts 2.1): `K10<64 hex>::<user>:<password>` or the bare password. The hash is that
// of the cluster's server CA, so that a joining server can tell whom it talks to before it
// trusts anything.

const tokenPrefix = "K10"

type token struct {
	hash     string // empty in the short form
	user     string
	password string
}

func parseToken(given string) (token, error) {
	if !strings.HasPrefix(given, tokenPrefix) {
		return token{password: given}, nil
	}
	hash, credentials, found := strings.Cut(strings.TrimPrefix(given, tokenPrefix), "::")
	if !found {
		return token{}, errors.New("invalid token format")
	}
	if len(hash) != 64 {
		return token{}, errors.New("invalid token CA hash length")
	}
	user, password, found := strings.Cut(credentials, ":")
	if !found || password == "" {
		return token{}, errors.New("invalid token format")
	}
	return token{hash: hash, user: user, password: password}, nil
}

// normalizeToken gives the password: all that counts for the bootstrap record and for the hash
// in a snapshot's metadata.
func normalizeToken(given string) (string, error) {
	t, err := parseToken(given)
	if err != nil || t.password == "" {
		return "", errors.New("failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>")
	}
	return t.password, nil
}

// caHash is the hash part of a token for a server CA file. A single certificate is hashed as
// the file's bytes, a bundle as the DER of the root that its first certificate leads to; if no
// chain can be built the file's bytes count.
func caHash(file []byte) string {
	chain, err := certificates(file)
	if err == nil && len(chain) > 1 {
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		for _, c := range chain {
			if c.CheckSignatureFrom(c) == nil {
				roots.AddCert(c)
			} else {
				between.AddCert(c)
			}
		}
		built, err := chain[0].Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err == nil && len(built) > 0 {
			sum := sha256.Sum256(built[0][len(built[0])-1].Raw)
			return hex.EncodeToString(sum[:])
		}
	}
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

func fullToken(caFile []byte, user, password string) string {
	return tokenPrefix + caHash(caFile) + "::" + user + ":" + password
}

// tokenHash is the 12 hex digits that name the bootstrap record and mark snapshots (facts 2.2).
func tokenHash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])[:12]
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// passwd is cred/passwd: `password,user,uid,role` lines (facts 1.1).
type passwd struct{ node, server string }

func readPasswd(path string) (passwd, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return passwd{}, err
	}
	p := passwd{}
	for _, line := range strings.Split(string(content), "\n") {
		parts := strings.Split(strings.TrimSpace(line), ",")
		if len(parts) < 3 {
			continue
		}
		switch parts[1] {
		case "node":
			p.node = parts[0]
		case "server":
			p.server = parts[0]
		}
	}
	return p, nil
}

func (p passwd) bytes() []byte {
	return fmt.Appendf(nil, "%s,node,node,k3s:agent\n%s,server,server,k3s:server\n", p.node, p.server)
}

// writeTokens writes server/token, its link node-token, and agent-token (facts 1.1).
func (l layout) writeTokens(p passwd) error {
	ca, err := os.ReadFile(l.tls("server-ca.crt"))
	if err != nil {
		return err
	}
	if err := refresh(l.token(), []byte(fullToken(ca, "server", p.server)+"\n"), 0o600); err != nil {
		return err
	}
	if err := link("token", l.server("node-token")); err != nil {
		return err
	}
	if p.node == p.server {
		return link("token", l.agentToken())
	}
	return refresh(l.agentToken(), []byte(fullToken(ca, "node", p.node)+"\n"), 0o600)
}

// link makes a symbolic link unless it is there; the target is absolute, as k3s makes it.
func link(target, path string) error {
	target = strings.TrimSuffix(path, pathBase(path)) + target
	if old, err := os.Readlink(path); err == nil && old == target {
		return nil
	}
	_ = os.Remove(path)
	return os.Symlink(target, path)
}

func pathBase(path string) string { return path[strings.LastIndex(path, "/")+1:] }
