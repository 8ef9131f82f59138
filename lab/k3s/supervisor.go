package main

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// The supervisor: k3s' own HTTP API on port 6443 (facts 3.1). All that is not its own goes to
// the API server (proxy.go).

const supervisorPort = "6443"

type supervisor struct {
	s     *server
	cert  dynamicCert
	proxy *apiProxy
}

// serve opens the port and answers in the background. In the beginning every path but the open
// ones is answered with 503.
func (s *server) serve() error {
	v := &supervisor{s: s}
	if err := v.cert.load(s); err != nil {
		return err
	}
	proxy, err := newProxy(s)
	if err != nil {
		return err
	}
	v.proxy = proxy
	s.supervisor = v
	address := net.JoinHostPort(s.options.text("bind-address"), s.options.text("https-listen-port"))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("init cluster datastore and https: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.pki.client.certificate)
	web := &http.Server{
		Handler:           v.handler(),
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          stdlog.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: v.cert.get,
			// As in k3s any client certificate gets in; whether it is good is asked later.
			ClientAuth: tls.RequestClientCert,
			ClientCAs:  pool,
			NextProtos: []string{"h2", "http/1.1"},
		},
	}
	go func() { _ = web.ServeTLS(listener, "", "") }()
	return s.serveEndpoint(web)
}

func (v *supervisor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "pong")
	})
	mux.HandleFunc("/cacerts", v.file("tls", "server-ca.crt"))
	mux.Handle("/v1-k3s/server-bootstrap", v.only("server", v.bootstrap))
	mux.Handle("/v1-k3s/config", v.only("node", v.config))
	mux.Handle("/v1-k3s/readyz", v.only("node", v.readyz))
	mux.Handle("/v1-k3s/apiservers", v.only("node", v.apiservers))
	mux.Handle("/v1-k3s/client-ca.crt", v.only("node", v.file("tls", "client-ca.crt")))
	mux.Handle("/v1-k3s/server-ca.crt", v.only("node", v.file("tls", "server-ca.crt")))
	for _, name := range []string{"serving-kubelet", "client-kubelet", "client-kube-proxy", "client-k3s-controller"} {
		mux.Handle("/v1-k3s/"+name+".crt", v.only("node", v.nodeCertificateFor(name)))
	}
	mux.Handle("/v1-k3s/token", v.only("server", v.rotateToken))
	mux.HandleFunc("/db/info", v.dbInfo)
	mux.Handle("/db/snapshot", v.only("server", v.snapshot))
	mux.Handle("/", v.proxy)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			v.proxy.connect(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// refuse answers with a Kubernetes Status, as k3s does, and logs it.
func refuse(w http.ResponseWriter, r *http.Request, code int, err error) {
	log.error("Sending %s %d response to %s: %v", r.Proto, code, r.RemoteAddr, err)
	quietly(w, code, err)
}

// quietly is the same without the line: a server that starts is asked all the time (recorded).
func quietly(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"message": err.Error(), "reason": strings.ReplaceAll(http.StatusText(code), " ", ""), "code": code,
	})
}

// only lets in who knows a password of the role: the server's password opens the agents' routes.
func (v *supervisor) only(role string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		known, err := readPasswd(v.s.files.cred("passwd"))
		if err != nil {
			refuse(w, r, http.StatusInternalServerError, err)
			return
		}
		good := user == "server" && equal(password, known.server) ||
			role == "node" && (user == "node" && equal(password, known.node) || user == "node" && equal(password, known.server))
		if !good && !(role == "node" && v.nodeCertificate(r)) {
			log.error("Failed to authenticate request from %s: invalid username/password combination", r.RemoteAddr)
			refuse(w, r, http.StatusUnauthorized, errors.New("Unauthorized"))
			return
		}
		next(w, r)
	})
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 && a != "" }

func (v *supervisor) nodeCertificate(r *http.Request) bool {
	who := v.proxy.identity(r)
	return who != nil && strings.HasPrefix(who.user, "system:node:")
}

func (v *supervisor) file(parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile(v.s.files.server(parts...))
		if err != nil {
			refuse(w, r, http.StatusInternalServerError, err)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(content)
	}
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

// bootstrap hands out the record (facts 3.2, step 3).
func (v *supervisor) bootstrap(w http.ResponseWriter, r *http.Request) {
	if v.s.etcd.sqlite {
		refuse(w, r, http.StatusBadRequest, errors.New("etcd disabled"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 15*time.Second)
	defer cancel()
	log.info("Opening etcd client connection with endpoints [%s]", localEtcd)
	keys, err := v.s.storedKeys(ctx)
	if err != nil {
		refuse(w, r, http.StatusInternalServerError, err)
		return
	}
	password, err := normalizeToken(v.s.token)
	if err != nil {
		refuse(w, r, http.StatusInternalServerError, err)
		return
	}
	plaintext, err := pickRecord(keys, password, v.s.token)
	if err != nil || plaintext == nil {
		refuse(w, r, http.StatusServiceUnavailable, errors.Join(err, errNoBootstrap))
		return
	}
	log.info("Serving HTTP bootstrap from datastore for %s", r.RemoteAddr)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(plaintext)
}

func (v *supervisor) config(w http.ResponseWriter, _ *http.Request) { answer(w, v.s.critical()) }

func (v *supervisor) readyz(w http.ResponseWriter, r *http.Request) {
	if !v.s.coreReady.Load() {
		refuse(w, r, http.StatusServiceUnavailable, errors.New("runtime core not ready"))
		return
	}
	_, _ = io.WriteString(w, "ok")
}

// addressesKey holds the API servers' addresses, for servers that run etcd alone (facts 3.2).
const addressesKey = "k3s/apiaddresses"

func (v *supervisor) apiservers(w http.ResponseWriter, r *http.Request) {
	addresses := []string{net.JoinHostPort(v.s.address, supervisorPort)}
	if !v.s.etcd.sqlite {
		if client, err := v.s.etcd.local(); err == nil {
			ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
			defer cancel()
			if got, err := client.Get(ctx, addressesKey); err == nil && len(got.Kvs) > 0 {
				_ = json.Unmarshal(got.Kvs[0].Value, &addresses)
			}
		}
	}
	answer(w, addresses)
}

// dbInfo lists the members, for who joins. From the loopback it needs no password.
func (v *supervisor) dbInfo(w http.ResponseWriter, r *http.Request) {
	from, _, _ := net.SplitHostPort(r.RemoteAddr)
	if ip := net.ParseIP(from); ip == nil || !ip.IsLoopback() {
		v.only("server", v.members).ServeHTTP(w, r)
		return
	}
	v.members(w, r)
}

func (v *supervisor) members(w http.ResponseWriter, r *http.Request) {
	if v.s.etcd.sqlite {
		refuse(w, r, http.StatusBadRequest, errors.New("etcd datastore disabled"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	client, err := v.s.etcd.local()
	if err != nil {
		refuse(w, r, http.StatusInternalServerError, err)
		return
	}
	list, err := client.MemberList(ctx)
	if err != nil {
		refuse(w, r, http.StatusInternalServerError, fmt.Errorf("failed to get etcd MemberList: %w", err))
		return
	}
	info := memberInfo{Members: []member{}}
	for _, m := range list.Members {
		info.Members = append(info.Members, member{m.ID, m.Name, m.PeerURLs, m.ClientURLs, m.IsLearner})
	}
	answer(w, info)
}
