package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Certificates of a server (facts 1.1, 2.5): five authorities of ten years, leaves of a year,
// renewed at the start of the process when fewer than 120 days are left or when the authority on
// disk is no longer the one that signed them.

const (
	caLife     = 3650 * 24 * time.Hour
	renewAhead = 120 * 24 * time.Hour
)

// leafLife is a year, or what CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS says: that is how
// short-lived leaves are made for a test.
func leafLife() time.Duration {
	days, err := strconv.Atoi(os.Getenv("CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS"))
	if err != nil || days <= 0 {
		days = 365
	}
	return time.Duration(days) * 24 * time.Hour
}

// authority is a CA: certificate (with its chain, as in the file) and key.
type authority struct {
	certificate *x509.Certificate
	pem         []byte
	key         crypto.Signer
}

func newKeyPEM() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// keyFile reads a private key, making it first where it is missing.
func keyFile(path string) (crypto.Signer, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key, content, err := newKeyPEM()
		if err != nil {
			return nil, err
		}
		return key, writeFile(path, content, 0o600)
	}
	if err != nil {
		return nil, err
	}
	return parseKey(path, content)
}

func parseKey(path string, content []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a key that cannot sign", path)
	}
	return signer, nil
}

// certificates parses all certificates of a PEM file.
func certificates(content []byte) ([]*x509.Certificate, error) {
	out := []*x509.Certificate{}
	for {
		var block *pem.Block
		block, content = pem.Decode(content)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, certificate)
	}
	if len(out) == 0 {
		return nil, errors.New("data does not contain any valid RSA or ECDSA certificates")
	}
	return out, nil
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// makeAuthority creates a self-signed CA in two files and says so, as k3s does.
func makeAuthority(name, path string) error {
	key, keyPEM, err := newKeyPEM()
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	template := &x509.Certificate{
		SerialNumber: new(big.Int),
		Subject:      pkix.Name{CommonName: fmt.Sprintf("%s@%d", name, now.Unix())},
		// An hour in the past, so that a clock a little behind does not refuse it.
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(-time.Hour).Add(caLife),
		KeyUsage:              x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	log.info("generated self-signed CA certificate %s: notBefore=%v notAfter=%v", template.Subject, template.NotBefore, template.NotAfter)
	if err := writeFile(path+".key", keyPEM, 0o600); err != nil {
		return err
	}
	return writeFile(path+".crt", certificatePEM(der), 0o644)
}

func readAuthority(path string) (*authority, error) {
	content, err := os.ReadFile(path + ".crt")
	if err != nil {
		return nil, err
	}
	chain, err := certificates(content)
	if err != nil {
		return nil, fmt.Errorf("%s.crt: %w", path, err)
	}
	keyPEM, err := os.ReadFile(path + ".key")
	if err != nil {
		return nil, err
	}
	key, err := parseKey(path+".key", keyPEM)
	if err != nil {
		return nil, err
	}
	return &authority{certificate: chain[0], pem: content, key: key}, nil
}

// ensureAuthority makes the CA unless both files are there.
func ensureAuthority(name, path string) (*authority, error) {
	if !exists(path+".crt") || !exists(path+".key") {
		if err := makeAuthority(name, path); err != nil {
			return nil, err
		}
	}
	return readAuthority(path)
}

// leaf says what one leaf certificate is.
type leaf struct {
	name   string
	groups []string
	hosts  []string // DNS names and addresses
	usages []x509.ExtKeyUsage
	path   string // without .crt and .key
	key    string // where the key is elsewhere
}

func (a *authority) sign(l leaf, public crypto.PublicKey) (*x509.Certificate, []byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
	if err != nil {
		return nil, nil, err
	}
	from := time.Now().UTC().Add(-time.Hour)
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: l.name, Organization: l.groups},
		NotBefore:    from,
		NotAfter:     from.Add(leafLife()),
		KeyUsage:     x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  l.usages,
	}
	for _, host := range l.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	if err != nil {
		return nil, nil, err
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	log.info("certificate %s signed by %s: notBefore=%v notAfter=%v", made.Subject, a.certificate.Subject, made.NotBefore, made.NotAfter)
	return made, append(certificatePEM(der), a.pem...), nil
}

// issue makes or renews a leaf; it leaves a good one alone.
func (a *authority) issue(l leaf) error {
	keyPath := l.key
	if keyPath == "" {
		keyPath = l.path + ".key"
	}
	if exists(keyPath) && a.good(l) {
		return nil
	}
	key, err := keyFile(keyPath)
	if err != nil {
		return err
	}
	_, content, err := a.sign(l, key.Public())
	if err != nil {
		return err
	}
	return writeFile(l.path+".crt", content, 0o644)
}

// good says whether the leaf on disk may stay: signed by this authority, long enough valid, and
// with all the names that are wanted.
func (a *authority) good(l leaf) bool {
	content, err := os.ReadFile(l.path + ".crt")
	if err != nil {
		return false
	}
	chain, err := certificates(content)
	if err != nil || chain[0].CheckSignatureFrom(a.certificate) != nil {
		return false
	}
	if time.Until(chain[0].NotAfter) < min(renewAhead, leafLife()/2) {
		return false
	}
	for _, host := range l.hosts {
		if chain[0].VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

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

// certificateFiles lists the certificate files below the folders, sorted.
func certificateFiles(folders ...string) []string {
	out := []string{}
	for _, folder := range folders {
		_ = filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".crt") {
				out = append(out, path)
			}
			return nil
		})
	}
	sort.Strings(out)
	return out
}
