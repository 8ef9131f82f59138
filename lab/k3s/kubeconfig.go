package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
)

// Kubeconfigs: those in cred/ name their files, k3s.yaml holds them (facts 1.1, 1.3).

func (l layout) writeKubeconfigs() error {
	for name, pair := range map[string]string{
		"admin": "client-admin", "supervisor": "client-supervisor", "controller": "client-controller",
		"scheduler": "client-scheduler", "api-server": "client-kube-apiserver", "cloud-controller": "client-k3s-cloud-controller",
	} {
		content := kubeconfig("https://127.0.0.1:6444", l.tls("server-ca.crt"), l.tls(pair+".crt"), l.tls(pair+".key"))
		if err := refresh(l.cred(name+".kubeconfig"), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// kubeconfig names the files of an identity.
func kubeconfig(server, authority, certificate, key string) string {
	return fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    server: %s
    certificate-authority: %s
  name: local
contexts:
- context:
    cluster: local
    namespace: default
    user: user
  name: Default
current-context: Default
kind: Config
preferences: {}
users:
- name: user
  user:
    client-certificate: %s
    client-key: %s
`, server, authority, certificate, key)
}

// writeAdmin writes k3s.yaml, for people.
func (l layout) writeAdmin(path, port, mode string) error {
	data := []any{}
	for _, file := range []string{l.tls("server-ca.crt"), l.tls("client-admin.crt"), l.tls("client-admin.key")} {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		data = append(data, base64.StdEncoding.EncodeToString(content))
	}
	bits := os.FileMode(0o600)
	if parsed, err := strconv.ParseUint(mode, 8, 32); err == nil && mode != "" {
		bits = os.FileMode(parsed)
	}
	content := fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: https://127.0.0.1:`+port+`
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, data...)
	if err := refresh(path, []byte(content), bits); err != nil {
		return err
	}
	return os.Chmod(path, bits)
}

// writeEtc writes server/etc: the way of the API server to the nodes, and the cloud controller's
// configuration.
func (l layout) writeEtc(mode string) error {
	egress := `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: Direct
`
	if mode != "disabled" {
		egress = fmt.Sprintf(`apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      tcp:
        url: https://127.0.0.1:%s
        tlsConfig:
          caBundle: %s
          clientCert: %s
          clientKey: %s
`, supervisorPort, l.tls("server-ca.crt"), l.tls("client-kube-apiserver.crt"), l.tls("client-kube-apiserver.key"))
	}
	if err := refresh(l.server("etc", "egress-selector-config.yaml"), []byte(egress), 0o600); err != nil {
		return err
	}
	return refresh(l.server("etc", "cloud-config.yaml"),
		[]byte(`{"loadBalancerDefaultPriorityClassName":"system-node-critical","loadBalancerEnabled":false,"nodeEnabled":true}`+"\n"), 0o600)
}
