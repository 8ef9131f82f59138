package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// Which certificates there are (facts 1.1), and in which order they are made.

// authorities of a server.
type authorities struct {
	client, server, requestHeader, etcdServer, etcdPeer *authority
}

// ensurePKI makes all certificates of a server in k3s' order (facts 7.2, row 4, and the recorded
// first start).
func (l layout) ensurePKI(hosts []string) (*authorities, error) {
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	local := []string{"localhost", "127.0.0.1", "::1"}
	all := &authorities{}
	for _, step := range []struct {
		into   **authority
		name   string
		path   string
		leaves []leaf
	}{
		{&all.client, "k3s-client-ca", l.tls("client-ca"), []leaf{
			{name: "system:admin", groups: []string{"system:masters"}, usages: client, path: l.tls("client-admin")},
			{name: "system:k3s-supervisor", groups: []string{"system:masters"}, usages: client, path: l.tls("client-supervisor")},
			{name: "system:kube-controller-manager", usages: client, path: l.tls("client-controller")},
			{name: "system:kube-scheduler", usages: client, path: l.tls("client-scheduler")},
			{name: "system:apiserver", groups: []string{"system:masters"}, usages: client, path: l.tls("client-kube-apiserver")},
			{name: "k3s-cloud-controller-manager", usages: client, path: l.tls("client-k3s-cloud-controller")},
		}},
		{&all.server, "k3s-server-ca", l.tls("server-ca"), []leaf{
			{name: "kube-apiserver", hosts: hosts, usages: server, path: l.tls("serving-kube-apiserver")},
			{name: "kube-scheduler", hosts: local, usages: server, path: l.tls("kube-scheduler", "kube-scheduler")},
			{name: "kube-controller-manager", hosts: local, usages: server, path: l.tls("kube-controller-manager", "kube-controller-manager")},
		}},
		{&all.requestHeader, "k3s-request-header-ca", l.tls("request-header-ca"), []leaf{
			{name: "system:auth-proxy", usages: client, path: l.tls("client-auth-proxy")},
		}},
		{&all.etcdServer, "etcd-server-ca", l.tls("etcd", "server-ca"), []leaf{
			{name: "etcd-client", usages: client, path: l.tls("etcd", "client")},
		}},
		{&all.etcdPeer, "etcd-peer-ca", l.tls("etcd", "peer-ca"), []leaf{
			{name: "etcd-peer", hosts: hosts, usages: both, path: l.tls("etcd", "peer-server-client")},
		}},
	} {
		made, err := ensureAuthority(step.name, step.path)
		if err != nil {
			return nil, err
		}
		*step.into = made
		if step.into == &all.client || step.into == &all.server {
			if err := writeChainless(step.path); err != nil {
				return nil, err
			}
		}
		for _, leaf := range step.leaves {
			if err := made.issue(leaf); err != nil {
				return nil, err
			}
		}
	}
	err := all.etcdServer.issue(leaf{name: "etcd-server", hosts: hosts, usages: both, path: l.tls("etcd", "server-client")})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"client-kubelet", "client-kube-proxy", "client-k3s-controller", "serving-kubelet"} {
		if _, err := keyFile(l.tls(name + ".key")); err != nil {
			return nil, err
		}
	}
	if err := l.ensureServiceKey(); err != nil {
		return nil, err
	}
	return all, os.MkdirAll(l.tls("temporary-certs"), 0o700)
}

// writeChainless keeps the first certificate of a CA file beside it: controllers that sign want
// one certificate, not a chain.
func writeChainless(path string) error {
	content, err := os.ReadFile(path + ".crt")
	if err != nil {
		return err
	}
	chain, err := certificates(content)
	if err != nil {
		return err
	}
	return refresh(path+".nochain.crt", certificatePEM(chain[0].Raw), 0o600)
}

// refresh writes a derived file only when it differs.
func refresh(path string, content []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	return writeFile(path, content, mode)
}

// ensureServiceKey makes the key that signs service account tokens, and the derived file with
// only its first key.
func (l layout) ensureServiceKey() error {
	content, err := os.ReadFile(l.tls("service.key"))
	if errors.Is(err, os.ErrNotExist) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		content = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
		if err := writeFile(l.tls("service.key"), content, 0o600); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return fmt.Errorf("%s holds no PEM block", l.tls("service.key"))
	}
	return refresh(l.tls("service.current.key"), pem.EncodeToMemory(block), 0o600)
}

// ensureAgentPKI makes the certificates that the node's own agent fetches. k3s does it at every
// start, also with --disable-agent (recorded).
func (l layout) ensureAgentPKI(all *authorities, node string, hosts []string) error {
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, one := range []struct {
		ca   *authority
		leaf leaf
	}{
		{all.server, leaf{name: node, hosts: hosts, usages: server, path: "serving-kubelet"}},
		{all.client, leaf{name: "system:node:" + node, groups: []string{"system:nodes"}, usages: client, path: "client-kubelet"}},
		{all.client, leaf{name: "system:kube-proxy", usages: client, path: "client-kube-proxy"}},
		{all.client, leaf{name: "system:k3s-controller", usages: client, path: "client-k3s-controller"}},
	} {
		keyPEM, err := os.ReadFile(l.tls(one.leaf.path + ".key"))
		if err != nil {
			return err
		}
		key, err := parseKey(one.leaf.path, keyPEM)
		if err != nil {
			return err
		}
		_, content, err := one.ca.sign(one.leaf, key.Public())
		if err != nil {
			return err
		}
		if err := writeFile(l.agent(one.leaf.path+".crt"), content, 0o600); err != nil {
			return err
		}
		if err := writeFile(l.agent(one.leaf.path+".key"), keyPEM, 0o600); err != nil {
			return err
		}
	}
	if err := refresh(l.agent("client-ca.crt"), all.client.pem, 0o600); err != nil {
		return err
	}
	return refresh(l.agent("server-ca.crt"), all.server.pem, 0o600)
}

// baseHosts are the names of every serving certificate of a server.
func baseHosts(node, address, service, domain string, extra []string) []string {
	hosts := []string{"127.0.0.1", "::1", "localhost", node, address, service,
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + domain}
	return unique(append(hosts, extra...))
}

func unique(values []string) []string {
	seen, out := map[string]bool{}, []string{}
	for _, value := range values {
		if value != "" && !seen[value] {
			seen[value] = true
			out = append(out, value)
		}
	}
	return out
}
