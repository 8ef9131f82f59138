package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"context"
	"crypto/x509"
)

// What an agent fetches from its server (facts 3.1): the authorities, its certificates with their
// keys, and what the cluster is like.

// errPasswordRejected is k3s' answer to a 403 (facts T09).
func errPasswordRejected(file string) error {
	return fmt.Errorf("Node password rejected, duplicate hostname or contents of '%s' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag", file)
}

// fetch brings the agent's files to this node.
func (a *agent) fetch(from *access) error {
	body, err := from.get("/v1-k3s/config", 10*time.Second)
	if err != nil {
		return fmt.Errorf("failed to retrieve configuration from server: %w", err)
	}
	if err := json.Unmarshal(body, &a.cluster); err != nil {
		return fmt.Errorf("failed to retrieve configuration from server: %w", err)
	}
	for _, name := range []string{"client-ca.crt", "server-ca.crt"} {
		content, err := from.get("/v1-k3s/"+name, 10*time.Second)
		if err != nil {
			return err
		}
		if err := refresh(a.files.agent(name), content, 0o600); err != nil {
			return err
		}
	}
	password, err := a.password()
	if err != nil {
		return err
	}
	for _, name := range []string{"serving-kubelet", "client-kubelet", "client-kube-proxy", "client-k3s-controller"} {
		content, err := a.certificate(from, name, password)
		if err != nil {
			return err
		}
		certificate, key := split(content)
		if certificate == nil || key == nil {
			return fmt.Errorf("%s/v1-k3s/%s.crt holds no certificate with its key", from.url, name)
		}
		if err := writeFile(a.files.agent(name+".crt"), certificate, 0o600); err != nil {
			return err
		}
		if err := writeFile(a.files.agent(name+".key"), key, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// split parts what the server sends: certificates first, then the key.
func split(content []byte) (certificates, key []byte) {
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			return certificates, key
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			key = append(key, pem.EncodeToMemory(block)...)
		} else {
			certificates = append(certificates, pem.EncodeToMemory(block)...)
		}
		content = rest
	}
}

// password is what this node proves its name with; made at the first start.
func (a *agent) password() (string, error) {
	path := a.files.nodePassword()
	if !exists(path) {
		if err := writeFile(path, []byte(randomHex(16)+"\n"), 0o600); err != nil {
			log.warning("Unable to write password file: %v", err)
			return "", err
		}
	}
	return trimmed(path)
}

// certificate asks for one of the node's certificates.
func (a *agent) certificate(from *access, name, password string) ([]byte, error) {
	url := from.url + "/v1-k3s/" + name + ".crt"
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(from.user, from.password)
	request.Header.Set("k3s-Node-Name", a.node)
	request.Header.Set("k3s-Node-Password", password)
	request.Header.Set("k3s-Node-IP", a.address)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(from.ca)
	answer, err := httpClient(roots, false, 15*time.Second).Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode == http.StatusForbidden:
		return nil, errPasswordRejected(a.files.nodePassword())
	case answer.StatusCode == http.StatusUnauthorized:
		return nil, errors.New("not authorized")
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return body, nil
}

// writeKubeconfigs names the files to whoever runs on the node.
func (a *agent) writeKubeconfigs(context.Context) error {
	for file, pair := range map[string]string{
		"kubelet.kubeconfig": "client-kubelet", "kubeproxy.kubeconfig": "client-kube-proxy", "k3scontroller.kubeconfig": "client-k3s-controller",
	} {
		content := kubeconfig(a.api, a.files.agent("server-ca.crt"), a.files.agent(pair+".crt"), a.files.agent(pair+".key"))
		if err := refresh(a.files.agent(file), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// makeAgent creates the folders of an agent.
func (l layout) makeAgent() error {
	for _, folder := range []struct {
		path string
		mode os.FileMode
	}{{l.data, 0o755}, {l.agent(), 0o755}, {l.agent("etc"), 0o755}, {l.etc + "/node", 0o755}} {
		if err := os.MkdirAll(folder.path, folder.mode); err != nil {
			return err
		}
	}
	return nil
}
