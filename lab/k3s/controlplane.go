package main

import (
	"fmt"
	"sort"
	"strings"
)

// The command lines of the control plane, as recorded from k3s 1.35.

type component struct {
	name  string   // the program
	short string   // what k3s calls it when it exits
	args  []string // sorted, as k3s prints them
}

// withExtra adds a user's arguments to k3s' own: the later value wins, `key-=value` and `key+=value`
// are k3s' way to take away and to add.
func withExtra(own map[string]string, extra []string) []string {
	values := map[string][]string{}
	for key, value := range own {
		values[key] = []string{value}
	}
	for _, arg := range extra {
		key, value, found := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !found {
			value = "true"
		}
		if name, adds := strings.CutSuffix(key, "+"); adds {
			values[name] = append(values[name], value)
		} else if name, removes := strings.CutSuffix(key, "-"); removes {
			delete(values, name)
		} else {
			values[key] = []string{value}
		}
	}
	args := []string{}
	for key, all := range values {
		for _, value := range all {
			args = append(args, fmt.Sprintf("--%s=%s", key, value))
		}
	}
	sort.Strings(args)
	return args
}

const cipherSuites = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"

// controlPlane gives the parts that this server runs, kube-apiserver first.
func (s *server) controlPlane() []component {
	l, o := s.files, s.options
	issuer := "https://kubernetes.default.svc." + o.text("cluster-domain")
	api := map[string]string{
		"advertise-address": s.address, "allow-privileged": "true", "anonymous-auth": "false",
		"api-audiences": issuer + ",k3s", "authorization-mode": "Node,RBAC", "bind-address": "127.0.0.1",
		"cert-dir": l.tls("temporary-certs"), "client-ca-file": l.tls("client-ca.crt"),
		"egress-selector-config-file": l.server("etc", "egress-selector-config.yaml"),
		"enable-admission-plugins":    "NodeRestriction", "enable-aggregator-routing": "true", "enable-bootstrap-token-auth": "true",
		"etcd-cafile": l.tls("etcd", "server-ca.crt"), "etcd-certfile": l.tls("etcd", "client.crt"), "etcd-keyfile": l.tls("etcd", "client.key"),
		"etcd-servers": s.etcd.endpoint(), "kubelet-certificate-authority": l.tls("server-ca.crt"),
		"kubelet-client-certificate": l.tls("client-kube-apiserver.crt"), "kubelet-client-key": l.tls("client-kube-apiserver.key"),
		"kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname", "profiling": "false",
		"proxy-client-cert-file": l.tls("client-auth-proxy.crt"), "proxy-client-key-file": l.tls("client-auth-proxy.key"),
		"requestheader-allowed-names": "system:auth-proxy", "requestheader-client-ca-file": l.tls("request-header-ca.crt"),
		"requestheader-extra-headers-prefix": "X-Remote-Extra-", "requestheader-group-headers": "X-Remote-Group", "requestheader-username-headers": "X-Remote-User",
		"secure-port": "6444", "service-account-issuer": issuer,
		"service-account-key-file": l.tls("service.key"), "service-account-signing-key-file": l.tls("service.current.key"),
		"service-cluster-ip-range": s.serviceRange(), "service-node-port-range": o.text("service-node-port-range"), "storage-backend": "etcd3",
		"tls-cert-file": l.tls("serving-kube-apiserver.crt"), "tls-cipher-suites": cipherSuites, "tls-private-key-file": l.tls("serving-kube-apiserver.key"),
	}
	if s.encryption() {
		api["encryption-provider-config"] = l.cred("encryption-config.json")
	}
	if s.etcd.sqlite {
		for _, key := range []string{"etcd-cafile", "etcd-certfile", "etcd-keyfile"} {
			delete(api, key)
		}
	}
	scheduler := map[string]string{
		"authentication-kubeconfig": l.cred("scheduler.kubeconfig"), "authorization-kubeconfig": l.cred("scheduler.kubeconfig"),
		"bind-address": "127.0.0.1", "kubeconfig": l.cred("scheduler.kubeconfig"), "profiling": "false", "secure-port": "10259",
		"tls-cert-file":        l.tls("kube-scheduler", "kube-scheduler.crt"),
		"tls-private-key-file": l.tls("kube-scheduler", "kube-scheduler.key"),
	}
	manager := map[string]string{
		"allocate-node-cidrs":       "true",
		"authentication-kubeconfig": l.cred("controller.kubeconfig"), "authorization-kubeconfig": l.cred("controller.kubeconfig"),
		"bind-address": "127.0.0.1", "cluster-cidr": s.podRange(), "configure-cloud-routes": "false",
		"cluster-signing-kube-apiserver-client-cert-file": l.tls("client-ca.nochain.crt"),
		"cluster-signing-kube-apiserver-client-key-file":  l.tls("client-ca.key"),
		"cluster-signing-kubelet-client-cert-file":        l.tls("client-ca.nochain.crt"),
		"cluster-signing-kubelet-client-key-file":         l.tls("client-ca.key"),
		"cluster-signing-kubelet-serving-cert-file":       l.tls("server-ca.nochain.crt"),
		"cluster-signing-kubelet-serving-key-file":        l.tls("server-ca.key"),
		"cluster-signing-legacy-unknown-cert-file":        l.tls("server-ca.nochain.crt"),
		"cluster-signing-legacy-unknown-key-file":         l.tls("server-ca.key"),
		"controllers": "*,tokencleaner,-service,-route,-cloud-node-lifecycle",
		"kubeconfig":  l.cred("controller.kubeconfig"), "profiling": "false",
		"root-ca-file": l.tls("server-ca.crt"), "secure-port": "10257",
		"service-account-private-key-file": l.tls("service.current.key"), "service-cluster-ip-range": s.serviceRange(),
		"tls-cert-file":                   l.tls("kube-controller-manager", "kube-controller-manager.crt"),
		"tls-private-key-file":            l.tls("kube-controller-manager", "kube-controller-manager.key"),
		"use-service-account-credentials": "true",
	}
	parts := []component{{"kube-apiserver", "apiserver", withExtra(api, o.given("kube-apiserver-arg"))}}
	if !o.on("disable-scheduler") {
		parts = append(parts, component{"kube-scheduler", "scheduler", withExtra(scheduler, o.given("kube-scheduler-arg"))})
	}
	if !o.on("disable-controller-manager") {
		parts = append(parts, component{"kube-controller-manager", "controller-manager", withExtra(manager, o.given("kube-controller-manager-arg"))})
	}
	return parts
}
