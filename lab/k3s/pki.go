package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"strconv"
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
	// k3s verifies it: one that was made while the clock was ahead is made anew
	// (pkg/daemons/control/deps/deps.go, expired).
	if time.Now().Before(chain[0].NotBefore) {
		return false
	}
	for _, host := range l.hosts {
		if chain[0].VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}
