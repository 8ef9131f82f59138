package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

// Flags come from the command line, else from config.yaml and config.yaml.d (facts 1.3), else
// from the environment. k3s puts what the files say in front of the command line, so a flag
// beats a file and a file beats the environment; lists are the exception: a list flag given on
// the command line replaces the files' list.

type kind int

const (
	text kind = iota
	toggle
	list
)

type flagSpec struct {
	kind  kind
	env   string
	value string // default
}

// short forms that k3s has.
var aliases = map[string]string{
	"c": "config", "d": "data-dir", "l": "log", "o": "write-kubeconfig", "s": "server", "t": "token",
	"r": "resolv-conf",
}

// serverFlags are the flags of `k3s server`. What is parsed but has no effect here is named in
// the README.
var serverFlags = map[string]flagSpec{
	"config": {env: "K3S_CONFIG_FILE", value: ""},
	"debug":  {kind: toggle, env: "K3S_DEBUG"}, "v": {}, "vmodule": {}, "log": {}, "alsologtostderr": {kind: toggle},
	"bind-address": {}, "https-listen-port": {value: "6443"}, "supervisor-port": {}, "apiserver-port": {},
	"advertise-address": {}, "advertise-port": {}, "tls-san": {kind: list}, "tls-san-security": {kind: toggle},
	"data-dir": {env: "K3S_DATA_DIR", value: "/var/lib/rancher/k3s"}, "cluster-cidr": {kind: list}, "service-cidr": {kind: list},
	"service-node-port-range": {value: "30000-32767"}, "cluster-dns": {kind: list}, "cluster-domain": {value: "cluster.local"},
	"flannel-backend": {value: "vxlan"}, "flannel-ipv6-masq": {kind: toggle}, "flannel-external-ip": {kind: toggle},
	"egress-selector-mode": {value: "agent"}, "servicelb-namespace": {value: "kube-system"},
	"write-kubeconfig": {env: "K3S_KUBECONFIG_OUTPUT"}, "write-kubeconfig-mode": {env: "K3S_KUBECONFIG_MODE"},
	"write-kubeconfig-group": {env: "K3S_KUBECONFIG_GROUP"}, "helm-job-image": {},
	"token": {env: "K3S_TOKEN"}, "token-file": {env: "K3S_TOKEN_FILE"},
	"agent-token": {env: "K3S_AGENT_TOKEN"}, "agent-token-file": {env: "K3S_AGENT_TOKEN_FILE"},
	"server": {env: "K3S_URL"}, "cluster-init": {kind: toggle, env: "K3S_CLUSTER_INIT"},
	"cluster-reset": {kind: toggle, env: "K3S_CLUSTER_RESET"}, "cluster-reset-restore-path": {env: "K3S_CLUSTER_RESET_RESTORE_PATH"},
	"kube-apiserver-arg": {kind: list}, "etcd-arg": {kind: list}, "kube-controller-manager-arg": {kind: list},
	"kube-scheduler-arg": {kind: list}, "kube-cloud-controller-manager-arg": {kind: list},
	"kubelet-arg": {kind: list}, "kube-proxy-arg": {kind: list}, "protect-kernel-defaults": {kind: toggle},
	"datastore-endpoint": {env: "K3S_DATASTORE_ENDPOINT"}, "datastore-cafile": {env: "K3S_DATASTORE_CAFILE"},
	"datastore-certfile": {env: "K3S_DATASTORE_CERTFILE"}, "datastore-keyfile": {env: "K3S_DATASTORE_KEYFILE"}, "kine-tls": {kind: toggle},
	"etcd-expose-metrics": {kind: toggle}, "etcd-disable-snapshots": {kind: toggle}, "etcd-snapshot-name": {value: "etcd-snapshot"},
	"etcd-snapshot-schedule-cron": {value: "0 */12 * * *"}, "etcd-snapshot-retention": {value: "5"}, "etcd-snapshot-dir": {},
	"etcd-snapshot-compress": {kind: toggle}, "etcd-snapshot-reconcile-interval": {value: "10m"},
	"etcd-s3": {kind: toggle}, "etcd-s3-endpoint": {value: "s3.amazonaws.com"}, "etcd-s3-endpoint-ca": {}, "etcd-s3-skip-ssl-verify": {kind: toggle},
	"etcd-s3-access-key": {env: "AWS_ACCESS_KEY_ID"}, "etcd-s3-secret-key": {env: "AWS_SECRET_ACCESS_KEY"}, "etcd-s3-session-token": {env: "AWS_SESSION_TOKEN"},
	"etcd-s3-bucket": {}, "etcd-s3-bucket-lookup-type": {}, "etcd-s3-region": {value: "us-east-1"}, "etcd-s3-folder": {}, "etcd-s3-proxy": {},
	"etcd-s3-config-secret": {}, "etcd-s3-insecure": {kind: toggle}, "etcd-s3-timeout": {value: "5m"}, "etcd-s3-retention": {},
	"disable": {kind: list}, "disable-scheduler": {kind: toggle}, "disable-cloud-controller": {kind: toggle}, "disable-kube-proxy": {kind: toggle},
	"disable-network-policy": {kind: toggle}, "disable-helm-controller": {kind: toggle}, "disable-apiserver": {kind: toggle},
	"disable-controller-manager": {kind: toggle}, "disable-etcd": {kind: toggle}, "disable-agent": {kind: toggle}, "disable-default-registry-endpoint": {kind: toggle},
	"node-name": {env: "K3S_NODE_NAME"}, "with-node-id": {kind: toggle}, "node-label": {kind: list}, "node-taint": {kind: list},
	"docker": {kind: toggle}, "container-runtime-endpoint": {}, "image-service-endpoint": {}, "pause-image": {}, "snapshotter": {}, "private-registry": {}, "system-default-registry": {},
	"embedded-registry": {kind: toggle}, "supervisor-metrics": {kind: toggle}, "default-local-storage-path": {}, "image-credential-provider-bin-dir": {}, "image-credential-provider-config": {},
	"node-ip": {kind: list}, "node-external-ip": {kind: list}, "node-internal-dns": {kind: list}, "node-external-dns": {kind: list}, "resolv-conf": {env: "K3S_RESOLV_CONF"}, "flannel-iface": {}, "flannel-conf": {}, "flannel-cni-conf": {},
	"vpn-auth": {env: "K3S_VPN_AUTH"}, "vpn-auth-file": {}, "rootless": {kind: toggle}, "prefer-bundled-bin": {kind: toggle}, "selinux": {kind: toggle, env: "K3S_SELINUX"}, "lb-server-port": {value: "6444"},
	"secrets-encryption": {kind: toggle}, "secrets-encryption-provider": {value: "aescbc"}, "enable-pprof": {kind: toggle}, "disable-apiserver-lb": {kind: toggle}, "multi-cluster-cidr": {kind: toggle}, "helm-controller": {kind: toggle},
}

// options are the values of the flags of one command.
type options struct {
	specs   map[string]flagSpec
	values  map[string][]string
	unknown []string // keys of config files that no flag has
	rest    []string // arguments that are no flags
}

// parseOptions reads arguments, config files and environment for one command.
func parseOptions(specs map[string]flagSpec, args []string) (*options, error) {
	o := &options{specs: specs, values: map[string][]string{}}
	line := map[string][]string{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			o.rest = append(o.rest, arg)
			continue
		}
		name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if full, ok := aliases[name]; ok {
			name = full
		}
		spec, ok := specs[name]
		if !ok {
			return nil, fmt.Errorf("flag provided but not defined: -%s", name)
		}
		switch {
		case spec.kind == toggle:
			if !given {
				value = "true"
			}
		case !given:
			i++
			if i >= len(args) {
				return nil, fmt.Errorf("flag needs an argument: -%s", name)
			}
			value = args[i]
		}
		if spec.kind == list {
			line[name] = append(line[name], value)
		} else {
			line[name] = []string{value}
		}
	}
	for name, spec := range specs {
		if value := os.Getenv(spec.env); spec.env != "" && value != "" {
			o.values[name] = []string{value}
		}
	}
	if _, ok := specs["config"]; ok {
		file := filepath.Join(etcFolder(), "k3s", "config.yaml")
		if v := o.values["config"]; v != nil {
			file = v[0]
		}
		if v := line["config"]; v != nil {
			file = v[0]
		}
		files, err := readConfigFiles(file)
		if err != nil {
			return nil, err
		}
		names := make([]string, 0, len(files))
		for name := range files {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			full := name
			if a, ok := aliases[name]; ok {
				full = a
			}
			if _, ok := specs[full]; !ok {
				o.unknown = append(o.unknown, name)
				continue
			}
			o.values[full] = files[name]
		}
	}
	for name, values := range line {
		o.values[name] = values
	}
	return o, nil
}

// readConfigFiles merges config.yaml and config.yaml.d/*.yaml|*.yml in the order of their
// names: the last value wins, a key with `+` at its end appends (facts 1.3).
func readConfigFiles(file string) (map[string][]string, error) {
	files := []string{}
	if exists(file) {
		files = append(files, file)
	}
	extra, _ := os.ReadDir(file + ".d")
	for _, entry := range extra {
		if name := entry.Name(); strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
			files = append(files, filepath.Join(file+".d", name))
		}
	}
	merged := map[string][]string{}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var values map[string]any
		if err := yaml.Unmarshal(content, &values); err != nil {
			// k3s ends here, with the parser's own words (facts 7.3).
			log.fatal("%s", strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
		}
		for key, value := range values {
			if name, appends := strings.CutSuffix(key, "+"); appends {
				merged[name] = append(append([]string{}, merged[name]...), flatten(value)...)
			} else {
				merged[key] = flatten(value)
			}
		}
	}
	return merged, nil
}

func flatten(value any) []string {
	switch v := value.(type) {
	case nil:
		return []string{""}
	case []any:
		out := []string{}
		for _, item := range v {
			out = append(out, flatten(item)...)
		}
		return out
	case float64:
		return []string{strings.TrimSuffix(fmt.Sprintf("%v", v), ".0")}
	default:
		return []string{fmt.Sprint(v)}
	}
}

func (o *options) text(name string) string {
	if v := o.values[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return o.specs[name].value
}

func (o *options) on(name string) bool {
	v := strings.ToLower(o.text(name))
	return v == "true" || v == "1" || v == "t"
}

// all gives a list flag; values may hold commas.
func (o *options) all(name string) []string {
	out := []string{}
	for _, value := range o.values[name] {
		for _, item := range strings.Split(value, ",") {
			if item != "" {
				out = append(out, item)
			}
		}
	}
	return out
}

// given gives a list flag as it was given: component arguments hold commas of their own.
func (o *options) given(name string) []string { return o.values[name] }

func (o *options) first(name, otherwise string) string {
	if all := o.all(name); len(all) > 0 {
		return all[0]
	}
	return otherwise
}

// nodeAndAddress are the node's name and the address that it is reached by.
func (o *options) nodeAndAddress() (name, address string, err error) {
	if name = o.text("node-name"); name == "" {
		if name, err = os.Hostname(); err != nil {
			return "", "", err
		}
	}
	if address = o.first("node-ip", o.text("advertise-address")); address == "" {
		address, err = defaultAddress()
	}
	return strings.ToLower(name), address, err
}

// token is the one given, by a flag or in a file.
func (o *options) token() (string, error) {
	if token := o.text("token"); token != "" || o.text("token-file") == "" {
		return token, nil
	}
	return trimmed(o.text("token-file"))
}

// logToFile sends the log where --log says.
func (o *options) logToFile() error {
	path := o.text("log")
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	log.out = file
	return nil
}
