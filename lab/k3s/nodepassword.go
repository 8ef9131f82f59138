package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/scrypt"
)

// Node passwords (facts 3.1): the first node of a name leaves the hash of its password in the API;
// whoever comes later under that name must know it.

// passwordHash makes `$1:<salt>:15:8:1:<hash>`.
func passwordHash(password string) (string, error) {
	salt := make([]byte, 8)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	return hashWith(password, salt)
}

func hashWith(password string, salt []byte) (string, error) {
	hash, err := scrypt.Key([]byte(password), salt, 1<<15, 8, 1, 64)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$1:%s:15:8:1:%s", hex.EncodeToString(salt), base64.StdEncoding.EncodeToString(hash)), nil
}

func verifyPassword(hash, password string) error {
	parts := strings.Split(hash, ":")
	if len(parts) != 6 || parts[0] != "$1" {
		return errors.New("hash is not of a known form")
	}
	salt, err := hex.DecodeString(parts[1])
	if err != nil {
		return err
	}
	numbers := [3]int{}
	for i := range numbers {
		if numbers[i], err = strconv.Atoi(parts[2+i]); err != nil || numbers[i] < 1 || numbers[i] > 30 {
			return errors.New("hash is not of a known form")
		}
	}
	want, err := base64.StdEncoding.DecodeString(parts[5])
	if err != nil {
		return err
	}
	got, err := scrypt.Key([]byte(password), salt, 1<<numbers[0], numbers[1], numbers[2], 64)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(want, got) != 1 {
		return errors.New("hash does not match")
	}
	return nil
}

// ensureNodePassword checks the password against the Secret, and makes the Secret for a new name.
func (s *server) ensureNodePassword(ctx context.Context, name, password string) error {
	const folder = "/api/v1/namespaces/kube-system/secrets"
	secretName := name + ".node-password.k3s"
	var kept struct {
		Data map[string][]byte `json:"data"`
	}
	err := s.kube.get(ctx, folder+"/"+secretName, &kept)
	if err == nil {
		if err := verifyPassword(string(kept.Data["hash"]), password); err != nil {
			return fmt.Errorf("unable to verify password for node %s: %w", name, err)
		}
		return nil
	}
	if code(err) != http.StatusNotFound {
		return err
	}
	hash, err := passwordHash(password)
	if err != nil {
		return err
	}
	return s.kube.create(ctx, folder, map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "k3s.cattle.io/node-password", "immutable": true,
		"metadata": map[string]string{"name": secretName, "namespace": "kube-system"},
		"data":     map[string][]byte{"hash": []byte(hash)},
	}, nil)
}

// ownNodePassword does so for this server's own node, until it works.
func (s *server) ownNodePassword(ctx context.Context) {
	password, err := trimmed(s.files.nodePassword())
	if err != nil {
		log.error("Failed to read node password: %v", err)
		return
	}
	for ctx.Err() == nil {
		err := s.ensureNodePassword(ctx, s.node, password)
		if err == nil {
			return
		}
		if strings.Contains(err.Error(), "unable to verify password") {
			log.warning("%v", err) // informational on a server (facts 2.6)
			return
		}
		time.Sleep(time.Second)
	}
}

// nodeCertificateFor answers an agent's request for one of its certificates: the certificate with
// its chain, then the key that all servers keep for this purpose.
func (v *supervisor) nodeCertificateFor(file string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, password := strings.ToLower(r.Header.Get("k3s-Node-Name")), r.Header.Get("k3s-Node-Password")
		needsNode := strings.HasSuffix(file, "kubelet")
		if needsNode {
			if name == "" || password == "" {
				refuse(w, r, http.StatusBadRequest, errors.New("node name or password not set"))
				return
			}
			if !v.s.coreReady.Load() {
				refuse(w, r, http.StatusServiceUnavailable, errors.New("runtime core not ready"))
				return
			}
			ctx, cancel := context.WithTimeout(r.Context(), 15*time.Second)
			defer cancel()
			if err := v.s.ensureNodePassword(ctx, name, password); err != nil {
				refuse(w, r, http.StatusForbidden, err)
				return
			}
		}
		client, server := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		ca, wanted := v.s.pki.client, leaf{usages: client}
		switch file {
		case "serving-kubelet":
			ca, wanted = v.s.pki.server, leaf{name: name, usages: server, hosts: unique(append([]string{name, "127.0.0.1", "::1", "localhost"}, strings.Split(r.Header.Get("k3s-Node-IP"), ",")...))}
		case "client-kubelet":
			wanted.name, wanted.groups = "system:node:"+name, []string{"system:nodes"}
		case "client-kube-proxy":
			wanted.name = "system:kube-proxy"
		case "client-k3s-controller":
			wanted.name = "system:k3s-controller"
		}
		keyPEM, err := os.ReadFile(v.s.files.tls(file + ".key"))
		if err != nil {
			refuse(w, r, http.StatusInternalServerError, err)
			return
		}
		key, err := parseKey(file, keyPEM)
		if err != nil {
			refuse(w, r, http.StatusInternalServerError, err)
			return
		}
		_, content, err := ca.sign(wanted, key.Public())
		if err != nil {
			refuse(w, r, http.StatusInternalServerError, err)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.Copy(w, strings.NewReader(string(content)+string(keyPEM)))
	}
}
