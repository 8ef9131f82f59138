package main

import (
	"context"
	"crypto/sha1" //nolint:gosec // a name for a certificate, as in k3s
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
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
	return nil
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

// storedKeys reads the /bootstrap/ keys of the running datastore.
func (s *server) storedKeys(ctx context.Context) ([]storedKey, error) {
	client, err := s.etcd.local()
	if err != nil {
		return nil, err
	}
	got, err := client.Get(ctx, bootstrapPrefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	keys := []storedKey{}
	for _, kv := range got.Kvs {
		keys = append(keys, storedKey{string(kv.Key), kv.Value})
	}
	return keys, nil
}

// save puts the record of this server's files into the datastore, unless there is one
// (facts 2.4, 7.2 row 9).
func (s *server) save(ctx context.Context, override bool) error {
	log.info("Saving cluster bootstrap data to datastore")
	r, err := readRecord(s.files.bootstrapFiles(s.encryption()))
	if err != nil {
		return err
	}
	plaintext, err := json.Marshal(r)
	if err != nil {
		return err
	}
	password, err := normalizeToken(s.token)
	if err != nil {
		return err
	}
	value, err := encrypt(password, plaintext)
	if err != nil {
		return err
	}
	log.info("Opening etcd client connection with endpoints [%s]", s.etcd.endpoint())
	keys, err := s.storedKeys(ctx)
	if err != nil {
		return err
	}
	if _, err := pickRecord(keys, password, s.token); err != nil {
		return err
	}
	client, err := s.etcd.local()
	if err != nil {
		return err
	}
	key := bootstrapKey(password)
	for _, one := range keys {
		override = override || one.key == key && len(one.value) == 0
	}
	created, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(value))).Commit()
	if errors.Is(err, rpctypes.Error(rpctypes.ErrGRPCNotSupportedForLearner)) {
		return nil
	}
	if err != nil {
		return err
	}
	if created.Succeeded {
		return nil
	}
	log.warning("Bootstrap key already exists")
	if override {
		return put(ctx, client, key, string(value))
	}
	return nil
}

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
