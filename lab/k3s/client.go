package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"
)

// Verbs that ask the running server on this machine, with its own CA and token.

// verbFlags are those that every such verb has.
var verbFlags = map[string]flagSpec{
	"config": {env: "K3S_CONFIG_FILE"}, "debug": {kind: toggle}, "data-dir": {env: "K3S_DATA_DIR", value: "/var/lib/rancher/k3s"},
	"token": {env: "K3S_TOKEN"}, "server": {value: "https://127.0.0.1:6443"}, "etcd-server": {value: "https://127.0.0.1:6443"},
	"node-name": {env: "K3S_NODE_NAME"}, "output": {value: "table"},
}

func withVerbFlags(extra map[string]flagSpec) map[string]flagSpec {
	all := map[string]flagSpec{}
	for _, one := range []map[string]flagSpec{serverFlags, verbFlags, extra} {
		for name, spec := range one {
			all[name] = spec
		}
	}
	return all
}

// ask sends one request to the supervisor as user `server`.
func ask(o *options, method, server, path string, body, into any) error {
	l := layout{data: o.text("data-dir"), etc: etcFolder()}
	given := o.text("token")
	if given == "" {
		var err error
		if given, err = trimmed(l.token()); err != nil {
			return err
		}
	}
	password, err := normalizeToken(given)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(l.tls("server-ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(method, server+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.SetBasicAuth("server", password)
	request.Header.Set("Content-Type", "application/json")
	answer, err := httpClient(roots, false, 5*time.Minute).Do(request)
	if err != nil {
		return err
	}
	return readAnswer(answer, into)
}

// runToken is `k3s token`: rotate (facts 2.5) and generate.
func runToken(args []string) {
	if len(args) == 0 {
		log.fatal("Error: give one of: rotate, generate")
	}
	switch args[0] {
	case "generate":
		random := randomHex(11)
		fmt.Printf("%s.%s\n", random[:6], random[6:22])
	case "rotate":
		o, err := parseOptions(withVerbFlags(map[string]flagSpec{"new-token": {}}), args[1:])
		if err != nil {
			log.fatal("Error: %v", err)
		}
		fmt.Println("WARNING: Recommended to keep a record of the old token. If restoring from a snapshot, you must use the token associated with that snapshot.")
		next := o.text("new-token")
		if next == "" {
			next = randomHex(16)
		}
		if err := ask(o, http.MethodPut, o.text("server"), "/v1-k3s/token", map[string]string{"newToken": next}, nil); err != nil {
			log.fatal("Error: %v", err)
		}
		fmt.Printf("Token rotated, restart %s nodes with new token\n", program)
	default:
		log.fatal("Error: the stand-in has no `k3s token %s`: rotate, generate", args[0])
	}
}
