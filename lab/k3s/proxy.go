package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// What is not the supervisor's goes to kube-apiserver on 127.0.0.1:6444. In k3s both share a
// process and the API server sees the caller's certificate; here the supervisor checks the
// certificate itself and names the caller in the front-proxy headers, with the certificate that
// the API server trusts for that.

const apiServer = "127.0.0.1:6444"

type apiProxy struct {
	s       *server
	clients *x509.CertPool
	plain   *httputil.ReverseProxy
	upgrade *httputil.ReverseProxy
}

type identity struct {
	user   string
	groups []string
}

func newProxy(s *server) (*apiProxy, error) {
	pair, err := tls.LoadX509KeyPair(s.files.tls("client-auth-proxy.crt"), s.files.tls("client-auth-proxy.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(s.files.tls("server-ca.crt"))
	if err != nil {
		return nil, err
	}
	roots, clients := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	clients.AddCert(s.pki.client.certificate)
	p := &apiProxy{s: s, clients: clients}
	make := func(http2 bool) *httputil.ReverseProxy {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(http2) // an upgraded connection (exec, port-forward) needs HTTP/1.1
		return &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "https", Host: apiServer})
				r.Out.Host = r.In.Host
				p.introduce(r.In, r.Out)
			},
			Transport: &http.Transport{
				TLSClientConfig:     &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: "127.0.0.1"},
				Protocols:           protocols,
				MaxIdleConnsPerHost: 100,
				IdleConnTimeout:     90 * time.Second,
			},
			FlushInterval: -1, // watches
			ErrorLog:      stdlog.New(io.Discard, "", 0),
			ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
				if r.Context().Err() != nil {
					return
				}
				quietly(w, http.StatusServiceUnavailable, errors.New("apiserver not ready"))
			},
		}
	}
	p.plain, p.upgrade = make(true), make(false)
	return p, nil
}

// identity is who the client certificate names, if it is good for this cluster.
func (p *apiProxy) identity(r *http.Request) *identity {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	between := x509.NewCertPool()
	for _, certificate := range r.TLS.PeerCertificates[1:] {
		between.AddCert(certificate)
	}
	own := r.TLS.PeerCertificates[0]
	_, err := own.Verify(x509.VerifyOptions{
		Roots: p.clients, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil
	}
	return &identity{user: own.Subject.CommonName, groups: own.Subject.Organization}
}

// introduce sets the front-proxy headers. What came from outside under these names is a forgery.
func (p *apiProxy) introduce(in, out *http.Request) {
	for name := range out.Header {
		lower := strings.ToLower(name)
		if lower == "x-remote-user" || lower == "x-remote-group" || lower == "x-remote-uid" || strings.HasPrefix(lower, "x-remote-extra-") {
			delete(out.Header, name) // as it stands: Del looks for the canonical form only
		}
	}
	if who := p.identity(in); who != nil {
		out.Header.Set("X-Remote-User", who.user)
		for _, group := range who.groups {
			out.Header.Add("X-Remote-Group", group)
		}
	}
}

func (p *apiProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.s.apiStarted.Load() {
		quietly(w, http.StatusServiceUnavailable, errors.New("apiserver not ready"))
		return
	}
	if r.Header.Get("Upgrade") != "" {
		p.upgrade.ServeHTTP(w, r)
		return
	}
	p.plain.ServeHTTP(w, r)
}

// connect is the way of the API server to nodes and services (`CONNECT host:port`, for
// system:masters). k3s sends it through a tunnel that the agents hold; here the nodes can be
// reached straight.
func (p *apiProxy) connect(w http.ResponseWriter, r *http.Request) {
	if who := p.identity(r); who == nil || !slices.Contains(who.groups, "system:masters") {
		refuse(w, r, http.StatusForbidden, errors.New("Forbidden"))
		return
	}
	far, err := net.DialTimeout("tcp", r.Host, 10*time.Second)
	if err != nil {
		refuse(w, r, http.StatusBadGateway, err)
		return
	}
	defer far.Close()
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		refuse(w, r, http.StatusHTTPVersionNotSupported, errors.New("CONNECT needs HTTP/1.1"))
		return
	}
	near, buffered, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	if _, err := io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	ended := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(far, buffered); ended <- struct{}{} }()
	go func() { _, _ = io.Copy(near, far); ended <- struct{}{} }()
	<-ended
}

func sha256Hex(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
