package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// What a server does for the cluster's nodes and pods: packaged manifests, and in place of the
// cloud controller the few things that nodes wait for. k3s applies manifests through Addon objects
// whenever a file changes; here they are applied at every start.

//go:embed manifests/coredns.yaml
var corednsManifest string

//go:embed manifests/rolebindings.yaml
var rolesManifest string

// uninitialized is on a node until a cloud controller has seen it.
const uninitialized = "node.cloudprovider.kubernetes.io/uninitialized"

// serveNodes is what servers do where pods can run.
func (s *server) serveNodes(ctx context.Context) {
	if !runsPods() {
		return
	}
	s.deploy(ctx, "rolebindings.yaml", rolesManifest)
	if !slices.Contains(s.options.all("disable"), "coredns") {
		s.deploy(ctx, "coredns.yaml", strings.NewReplacer(
			"%{CLUSTER_DNS}%", s.clusterDNS(), "%{CLUSTER_DOMAIN}%", s.options.text("cluster-domain")).Replace(corednsManifest))
	}
	if s.options.on("disable-agent") {
		go keepRoutes(ctx, s.kube, s.node)
	}
	go every(ctx, lookEvery, func() { s.lookAtNodes(ctx) })
}

// deploy writes a manifest where k3s has it and applies it until that works.
func (s *server) deploy(ctx context.Context, name, manifest string) {
	if err := writeFile(s.files.server("manifests", name), []byte(manifest), 0o600); err != nil {
		log.error("Failed to write manifest %s: %v", name, err)
		return
	}
	for _, document := range strings.Split(manifest, "\n---\n") {
		for {
			err := s.apply(ctx, document)
			if err == nil {
				break
			}
			if permanent := code(err) >= 400 && code(err) < 500 && code(err) != http.StatusConflict && code(err) != http.StatusNotFound; permanent {
				log.error("Failed to apply manifest %s: %v", name, err)
				break
			}
			if !pause(ctx, time.Second) {
				return
			}
		}
	}
}

// plurals of the kinds that packaged manifests hold.
var plurals = map[string]string{
	"ServiceAccount": "serviceaccounts", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
	"ConfigMap": "configmaps", "Deployment": "deployments", "Service": "services",
}

// apply sends one object: fields that somebody changed are set back, as k3s does.
func (s *server) apply(ctx context.Context, document string) error {
	var object struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	encoded, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(encoded, &object); err != nil {
		return err
	}
	plural, known := plurals[object.Kind]
	if !known {
		return fmt.Errorf("the stand-in cannot apply a %s", object.Kind)
	}
	path := "/api/v1"
	if object.APIVersion != "v1" {
		path = "/apis/" + object.APIVersion
	}
	if object.Metadata.Namespace != "" {
		path += "/namespaces/" + object.Metadata.Namespace
	}
	path += "/" + plural + "/" + object.Metadata.Name + "?force=true&fieldManager=deploy%40" + s.node
	return s.kube.call(ctx, http.MethodPatch, path, "application/apply-patch+yaml", json.RawMessage(encoded), nil)
}

// lookAtNodes initializes new nodes and tells CoreDNS the names of all.
func (s *server) lookAtNodes(ctx context.Context) {
	nodes, err := s.kube.podNodes(ctx)
	if err != nil {
		return
	}
	for _, one := range nodes {
		s.initialize(ctx, one)
	}
	const path = "/api/v1/namespaces/kube-system/configmaps/coredns"
	var names struct {
		Data map[string]string `json:"data"`
	}
	if s.kube.get(ctx, path, &names) == nil && names.Data["NodeHosts"] != hostsFile(nodes) {
		_ = s.kube.merge(ctx, path, map[string]any{"data": map[string]string{"NodeHosts": hostsFile(nodes)}})
	}
}

// initialize does what the cloud controller does for a node: an id, labels, and the taint goes.
func (s *server) initialize(ctx context.Context, one podNode) {
	left := slices.DeleteFunc(slices.Clone(one.Spec.Taints), func(t taint) bool { return t.Key == uninitialized })
	if len(left) == len(one.Spec.Taints) || s.options.on("disable-cloud-controller") {
		return
	}
	spec := map[string]any{"taints": left}
	if one.Spec.ProviderID == "" {
		spec["providerID"] = "k3s://" + one.Metadata.Name
	}
	_ = s.kube.merge(ctx, s.nodePath(one.Metadata.Name), map[string]any{
		"metadata": map[string]any{"labels": map[string]string{"node.kubernetes.io/instance-type": "k3s", "beta.kubernetes.io/instance-type": "k3s"}},
		"spec":     spec,
	})
}

// serveEndpoint listens beside the API server's own port, on the node's address: endpoints of the
// Service `kubernetes` name the port that the API server has, and in k3s that one is reached from
// everywhere.
func (s *server) serveEndpoint(web *http.Server) error {
	if !runsPods() {
		return nil
	}
	_, port, err := net.SplitHostPort(apiServer)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(s.address, port))
	if err != nil {
		return err
	}
	go func() { _ = web.ServeTLS(listener, "", "") }()
	return nil
}

// roleLabels are what k3s gives a server's Node.
func (s *server) roleLabels(ctx context.Context) {
	labels := map[string]any{"node-role.kubernetes.io/control-plane": "true"}
	for s.kube.merge(ctx, s.nodePath(s.node), map[string]any{"metadata": map[string]any{"labels": labels}}) != nil {
		if !pause(ctx, time.Second) {
			return
		}
	}
}
