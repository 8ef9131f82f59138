package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// Joining a cluster (facts 3.2), from the side of the server that joins.

// access is a checked way to another server: its address, authority and our password.
type access struct {
	url      string
	ca       []byte
	password string
	user     string
}

func httpClient(roots *x509.CertPool, insecure bool, limit time.Duration) *http.Client {
	return &http.Client{Timeout: limit, Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots, InsecureSkipVerify: insecure}, //nolint:gosec // to fetch the CA whose hash is then compared
	}}
}

func fetch(client *http.Client, url string, a *access) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if a != nil {
		request.SetBasicAuth(a.user, a.password)
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	switch {
	case answer.StatusCode == http.StatusUnauthorized:
		return nil, errors.New("not authorized")
	case answer.StatusCode >= 300:
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return body, nil
}

// validate checks that the server behind the address has the authority that the token names
// (facts 2.1): first with the host's own authorities, then without and by the hash, then once
// more with the authority just received.
func validate(url, given, user string, knownCA []byte) (*access, error) {
	t, err := parseToken(given)
	if err != nil {
		return nil, err
	}
	url = strings.TrimSuffix(url, "/")
	a := &access{url: url, password: t.password, user: user}
	const limit = 10 * time.Second
	if body, err := fetch(httpClient(nil, false, limit), url+"/cacerts", nil); err == nil {
		_ = body
		return a, nil
	}
	body, err := fetch(httpClient(nil, true, limit), url+"/cacerts", nil)
	if err != nil {
		return nil, fmt.Errorf("failed to get CA certs: %w", err)
	}
	a.ca = body
	switch {
	case t.hash != "":
		if served := caHash(body); served != t.hash {
			return nil, fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %s", t.hash, served)
		}
	case !bytes.Equal(knownCA, body):
		log.warning("Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. Use the full token from the server's node-token file to enable Cluster CA validation.")
	}
	if _, err := a.get("/cacerts", limit); err != nil {
		return nil, fmt.Errorf("CA cert validation failed: %w", err)
	}
	return a, nil
}

func (a *access) get(path string, limit time.Duration) ([]byte, error) {
	var roots *x509.CertPool
	if a.ca != nil {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(a.ca) {
			return nil, fmt.Errorf("%s/cacerts holds no certificate", a.url)
		}
	}
	return fetch(httpClient(roots, false, limit), a.url+path, a)
}

// criticalConfig is what all servers must have alike (facts 2.4).
type criticalConfig struct {
	ClusterDNS, ClusterDomain, FlannelBackend, EgressSelectorMode   string
	ClusterIPRanges, ServiceIPRanges                                []string
	DisableCCM, DisableHelmController, DisableNPC, DisableKubeProxy bool
	EmbeddedRegistry, EncryptSecrets, FlannelIPv6Masq               bool
	FlannelExternalIP, SupervisorMetrics                            bool
	EncryptProvider                                                 string
}

func (s *server) critical() criticalConfig {
	o := s.options
	return criticalConfig{
		ClusterDNS: s.clusterDNS(), ClusterDomain: o.text("cluster-domain"), FlannelBackend: o.text("flannel-backend"),
		EgressSelectorMode: o.text("egress-selector-mode"), ClusterIPRanges: []string{s.podRange()}, ServiceIPRanges: []string{s.serviceRange()},
		DisableCCM: o.on("disable-cloud-controller"), DisableHelmController: o.on("disable-helm-controller"),
		DisableNPC: o.on("disable-network-policy"), DisableKubeProxy: o.on("disable-kube-proxy"),
		EmbeddedRegistry: o.on("embedded-registry"), EncryptSecrets: o.on("secrets-encryption"), EncryptProvider: o.text("secrets-encryption-provider"),
		FlannelIPv6Masq: o.on("flannel-ipv6-masq"), FlannelExternalIP: o.on("flannel-external-ip"), SupervisorMetrics: o.on("supervisor-metrics"),
	}
}

// mismatches names the flags that differ.
func (c criticalConfig) mismatches(other criticalConfig) []string {
	out := []string{}
	for _, one := range []struct {
		flag    string
		differs bool
	}{
		{"cluster-dns", c.ClusterDNS != other.ClusterDNS},
		{"cluster-cidr", strings.Join(c.ClusterIPRanges, ",") != strings.Join(other.ClusterIPRanges, ",")},
		{"cluster-domain", c.ClusterDomain != other.ClusterDomain},
		{"service-cidr", strings.Join(c.ServiceIPRanges, ",") != strings.Join(other.ServiceIPRanges, ",")},
		{"disable-cloud-controller", c.DisableCCM != other.DisableCCM},
		{"disable-helm-controller", c.DisableHelmController != other.DisableHelmController},
		{"disable-kube-proxy", c.DisableKubeProxy != other.DisableKubeProxy},
		{"disable-network-policy", c.DisableNPC != other.DisableNPC},
		{"secrets-encryption", c.EncryptSecrets != other.EncryptSecrets},
		{"secrets-encryption-provider", c.EncryptSecrets && c.EncryptProvider != other.EncryptProvider},
		{"embedded-registry", c.EmbeddedRegistry != other.EmbeddedRegistry},
		{"flannel-backend", c.FlannelBackend != other.FlannelBackend},
		{"flannel-ipv6-masq", c.FlannelIPv6Masq != other.FlannelIPv6Masq},
		{"flannel-external-ip", c.FlannelExternalIP != other.FlannelExternalIP},
		{"egress-selector-mode", c.EgressSelectorMode != other.EgressSelectorMode},
		{"supervisor-metrics", c.SupervisorMetrics != other.SupervisorMetrics},
	} {
		if one.differs {
			out = append(out, one.flag)
		}
	}
	return out
}

// compareConfig asks the other server for its configuration and refuses to differ.
func (s *server) compareConfig() error {
	known, _ := os.ReadFile(s.files.tls("server-ca.crt"))
	agent, err := validate(s.access.url, s.token, "node", known)
	if err != nil {
		return err
	}
	// The server token opens the agents' routes as well.
	agent.user = "server"
	body, err := agent.get("/v1-k3s/config", 10*time.Second)
	if err != nil {
		return err
	}
	var other criticalConfig
	if err := json.Unmarshal(body, &other); err != nil {
		return err
	}
	flags := s.critical().mismatches(other)
	for _, flag := range flags {
		log.warning("critical configuration mismatched: %s", flag)
	}
	if len(flags) > 0 {
		return errors.New("critical configuration value mismatch between servers")
	}
	return nil
}

// httpBootstrap fetches the record from the other server and brings the disk in line with it.
func (s *server) httpBootstrap() error {
	body, err := s.access.get("/v1-k3s/server-bootstrap", 15*time.Second)
	if err != nil {
		return err
	}
	log.info("Reconciling bootstrap data between datastore and disk")
	r, err := parseRecord(body)
	if err != nil {
		return err
	}
	return s.files.reconcile(r, s.files.bootstrapFiles(s.encryption()), false)
}

// memberInfo is what /db/info says.
type memberInfo struct {
	Members []member `json:"members"`
}

type member struct {
	ID         uint64   `json:"ID"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	IsLearner  bool     `json:"isLearner,omitempty"`
}

// joinOnce adds this server to the cluster as a learner and starts etcd. again says whether the
// error is one to be waited out.
func (s *server) joinOnce(ctx context.Context) (again bool, err error) {
	body, err := s.access.get("/db/info", 10*time.Second)
	if err != nil {
		log.info("Waiting to retrieve etcd cluster member list: failed to get MemberList from server: %v", err)
		return true, err
	}
	var list memberInfo
	if err := json.Unmarshal(body, &list); err != nil {
		return false, err
	}
	endpoints, cluster, add := []string{}, []string{}, true
	self := s.etcd.peerURL()
	for _, one := range list.Members {
		endpoints = append(endpoints, one.ClientURLs...)
		for _, peer := range one.PeerURLs {
			if s.etcd.name == one.Name && peer == self {
				add = false // listed already: an earlier try got this far
			}
		}
		// A member that never started has no name yet; only its address says whose it is.
		name := one.Name
		if cut := strings.LastIndex(name, "-"); add && cut > 0 && name[:cut] == s.node && name != s.etcd.name {
			_ = os.Remove(s.files.etcd("name"))
			return false, errors.New("duplicate node name found, please use a unique name for this node")
		}
		if name == "" && len(one.PeerURLs) > 0 && one.PeerURLs[0] == self {
			name, add = s.etcd.name, false
		}
		if len(one.PeerURLs) > 0 {
			cluster = append(cluster, name+"="+one.PeerURLs[0])
		}
	}
	if add {
		client, err := s.etcd.connect(endpoints)
		if err != nil {
			return false, err
		}
		defer client.Close()
		log.info("Adding member %s=%s to etcd cluster %v", s.etcd.name, self, cluster)
		limited, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		if _, err := client.MemberAddAsLearner(limited, []string{self}); err != nil {
			if errors.Is(err, rpctypes.ErrTooManyLearners) || errors.Is(err, rpctypes.ErrUnhealthy) {
				log.info("Waiting for other members to finish joining etcd cluster: %v", err)
				return true, err
			}
			if errors.Is(err, context.DeadlineExceeded) || limited.Err() != nil {
				log.info("Retrying etcd cluster join: %v", err)
				return true, err
			}
			return false, err
		}
		cluster = append(cluster, s.etcd.name+"="+self)
	}
	return false, s.etcd.start(etcdStart{cluster: strings.Join(cluster, ","), state: "existing"})
}

// join repeats joinOnce every second for as long as the error can pass.
func (s *server) join(ctx context.Context) {
	for {
		again, err := s.joinOnce(ctx)
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
			return
		case !again:
			s.shutdown(fmt.Errorf("etcd cluster join failed: %w", err))
			return
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}
