package main

import (
	"crypto/sha1" //nolint:gosec // a name for a certificate, as in k3s
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

// dynamicCert is the serving certificate of 6443 (facts 1.1): kept in dynamic-cert.json in the
// form of a Secret, re-made when names are added or its end comes near.
type dynamicCert struct {
	mu      sync.Mutex
	s       *server
	pair    *tls.Certificate
	content []byte // PEM
	hosts   []string
}

type secret struct {
	Kind       string            `json:"kind,omitempty"`
	APIVersion string            `json:"apiVersion,omitempty"`
	Metadata   secretMeta        `json:"metadata"`
	Data       map[string][]byte `json:"data,omitempty"`
	Type       string            `json:"type,omitempty"`
}

type secretMeta struct {
	Name            string            `json:"name,omitempty"`
	Namespace       string            `json:"namespace,omitempty"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

const (
	cnPrefix       = "listener.cattle.io/cn-"
	cnFingerprint  = "listener.cattle.io/fingerprint"
	maxAnnotation  = 63
	servingSecret  = "k3s-serving"
	dynamicName    = "dynamic-cert.json"
	regenerateName = "dynamic-cert-regenerate"
)

// cnKey is the annotation of a name. What a key may not hold is replaced, and a piece of the hash
// keeps such keys apart (recorded: cn-__1-f16284 for ::1).
func cnKey(name string) string {
	key := cnPrefix + name
	if !strings.Contains(key, ":") && !strings.Contains(key, "*") && len(key) <= maxAnnotation {
		return key
	}
	sum := sha256Hex([]byte(key))
	safe := strings.NewReplacer(":", "_", "*", "_").Replace(key)
	return safe[:min(len(safe), maxAnnotation-7)] + "-" + sum[:6]
}

func (d *dynamicCert) load(s *server) error {
	d.s = s
	path := s.files.tls(dynamicName)
	if exists(s.files.tls(regenerateName)) {
		_ = os.Remove(s.files.tls(regenerateName))
		_ = os.Remove(path)
	}
	content, err := os.ReadFile(path)
	if err == nil {
		var kept secret
		if err := json.Unmarshal(content, &kept); err == nil && d.use(kept) == nil && d.covers(s.hosts) {
			return nil
		}
	}
	if err := d.make(s.hosts); err != nil {
		return err
	}
	log.warning("dynamiclistener [::]:%s: no cached certificate available for preload - deferring certificate load until storage initialization or first client request", s.options.text("https-listen-port"))
	log.info("Active TLS secret / (ver=) %s", d.describe())
	return nil
}

func (d *dynamicCert) use(kept secret) error {
	pair, err := tls.X509KeyPair(kept.Data["tls.crt"], kept.Data["tls.key"])
	if err != nil {
		return err
	}
	pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return err
	}
	if pair.Leaf.CheckSignatureFrom(d.s.pki.server.certificate) != nil || time.Until(pair.Leaf.NotAfter) < min(renewAhead, leafLife()/2) {
		return errors.New("certificate must be renewed")
	}
	hosts := []string{}
	for key, value := range kept.Metadata.Annotations {
		if strings.HasPrefix(key, cnPrefix) {
			hosts = append(hosts, value)
		}
	}
	sort.Strings(hosts)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pair, d.content, d.hosts = &pair, kept.Data["tls.crt"], hosts
	return nil
}

func (d *dynamicCert) covers(hosts []string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, host := range hosts {
		if d.pair.Leaf.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

// make signs a new certificate for the names and keeps it in the file.
func (d *dynamicCert) make(hosts []string) error {
	key, err := keyFile(d.s.files.tls("dynamic-cert.key.tmp"))
	if err != nil {
		return err
	}
	keyPEM, err := os.ReadFile(d.s.files.tls("dynamic-cert.key.tmp"))
	if err != nil {
		return err
	}
	_ = os.Remove(d.s.files.tls("dynamic-cert.key.tmp"))
	_, content, err := d.s.pki.server.sign(leaf{
		name: "k3s", groups: []string{"k3s"}, hosts: hosts, usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, key.Public())
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(content, keyPEM)
	if err != nil {
		return err
	}
	if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return err
	}
	d.mu.Lock()
	sorted := append([]string{}, hosts...)
	sort.Strings(sorted)
	d.pair, d.content, d.hosts = &pair, content, sorted
	d.mu.Unlock()
	return d.keep()
}

// annotations are those of the Secret.
func (d *dynamicCert) annotations() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	sum := sha1.Sum(d.pair.Certificate[0]) //nolint:gosec
	out := map[string]string{cnFingerprint: "SHA1=" + strings.ToUpper(hex.EncodeToString(sum[:]))}
	for _, host := range d.hosts {
		out[cnKey(host)] = host
	}
	return out
}

// describe is the text that k3s logs: count and annotations.
func (d *dynamicCert) describe() string {
	annotations := d.annotations()
	return fmt.Sprintf("(count %d): %v", len(annotations)-1, annotations)
}

func (d *dynamicCert) secret() (secret, error) {
	d.mu.Lock()
	signer := d.pair.PrivateKey
	content := d.content
	d.mu.Unlock()
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return secret{}, err
	}
	return secret{
		Kind: "Secret", APIVersion: "v1", Type: "kubernetes.io/tls",
		Metadata: secretMeta{Name: servingSecret, Namespace: "kube-system", Annotations: d.annotations()},
		Data:     map[string][]byte{"tls.crt": content, "tls.key": pemBlock("PRIVATE KEY", der)},
	}, nil
}

func (d *dynamicCert) keep() error {
	made, err := d.secret()
	if err != nil {
		return err
	}
	content, err := json.Marshal(made)
	if err != nil {
		return err
	}
	return writeFile(d.s.files.tls(dynamicName), content, 0o600)
}

func (d *dynamicCert) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pair, nil
}
