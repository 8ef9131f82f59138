package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// Nodes and members (facts 3.3). A server's Node carries its member's name and address;
// deleting the Node, or asking by annotation, takes the member out of the cluster.
//
// Where the parts hold no kubelet, the Node object is ours: made at the start as k3s' kubelet would,
// and kept Ready by its lease. It says so in an annotation. No pod is ever run on it.

const (
	annotation     = "etcd.k3s.cattle.io/"
	nodeNameKey    = annotation + "node-name"
	nodeAddressKey = annotation + "node-address"
	removeKey      = annotation + "remove"
	removedNameKey = annotation + "removed-node-name"
	etcdRole       = "node-role.kubernetes.io/etcd"
	memberGuard    = "wrangler.cattle.io/managed-etcd-controller"
	standInKey     = "lab.defib.dev/no-kubelet"
)

type node struct {
	Metadata struct {
		Name              string            `json:"name"`
		ResourceVersion   string            `json:"resourceVersion"`
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
		Finalizers        []string          `json:"finalizers"`
		DeletionTimestamp string            `json:"deletionTimestamp"`
	} `json:"metadata"`
}

func (s *server) nodePath(name string) string { return "/api/v1/nodes/" + name }

// keepNode makes the Node, unless there is no agent, and keeps its metadata and its lease.
func (s *server) keepNode(ctx context.Context) {
	if !s.options.on("disable-agent") {
		go s.ownNodePassword(ctx)
		if runsPods() {
			s.roleLabels(ctx)
		} else {
			s.makeNode(ctx)
			go every(ctx, 10*time.Second, func() { s.beat(ctx) })
		}
	}
	if !s.etcd.sqlite {
		every(ctx, lookEvery, func() { s.annotate(ctx) })
	}
}

func (s *server) makeNode(ctx context.Context) {
	labels := map[string]string{
		"kubernetes.io/hostname": s.node, "kubernetes.io/os": "linux", "kubernetes.io/arch": runtime.GOARCH,
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": runtime.GOARCH,
		"node.kubernetes.io/instance-type": "k3s", "beta.kubernetes.io/instance-type": "k3s",
		"node-role.kubernetes.io/control-plane": "true",
	}
	if !s.etcd.sqlite {
		labels[etcdRole] = "true"
	}
	for _, label := range s.options.all("node-label") {
		key, value, _ := strings.Cut(label, "=")
		labels[key] = value
	}
	object := map[string]any{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{
			"name": s.node, "labels": labels,
			"annotations": map[string]string{
				standInKey: "true", "k3s.io/hostname": s.node, "k3s.io/internal-ip": s.address,
			},
			"finalizers": []string{"wrangler.cattle.io/node"},
		},
	}
	for ctx.Err() == nil {
		err := s.kube.create(ctx, "/api/v1/nodes", object, nil)
		if err == nil || code(err) == http.StatusConflict {
			return
		}
		time.Sleep(time.Second)
	}
}

// beat is the kubelet's sign of life: status and lease.
func (s *server) beat(ctx context.Context) {
	now := time.Now().UTC()
	condition := func(kind, status, reason, message string) map[string]any {
		return map[string]any{"type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": now.Format(time.RFC3339)}
	}
	resources := map[string]string{"cpu": "2", "memory": "4Gi", "pods": "0", "ephemeral-storage": "0"}
	err := s.kube.call(ctx, http.MethodPatch, s.nodePath(s.node)+"/status", "application/strategic-merge-patch+json", map[string]any{
		"status": map[string]any{
			"addresses": []any{
				map[string]string{"type": "InternalIP", "address": s.address},
				map[string]string{"type": "Hostname", "address": s.node},
			},
			"capacity": resources, "allocatable": resources,
			"conditions": []any{
				condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
				condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
				condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
				condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
			},
			"nodeInfo": map[string]string{
				"kubeletVersion": release(), "operatingSystem": "linux", "architecture": runtime.GOARCH,
				"machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "", "containerRuntimeVersion": "", "kubeProxyVersion": "",
			},
		},
	}, nil)
	if err != nil {
		return // deleted: a kubelet does not come back either before it is started again
	}
	const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
	spec := map[string]any{"holderIdentity": s.node, "leaseDurationSeconds": 40, "renewTime": now.Format("2006-01-02T15:04:05.000000Z")}
	if s.kube.merge(ctx, leases+"/"+s.node, map[string]any{"spec": spec}) != nil {
		_ = s.kube.create(ctx, leases, lease{"coordination.k8s.io/v1", "Lease", map[string]any{"name": s.node, "namespace": "kube-node-lease"}, spec}, nil)
	}
}

// annotate keeps the member's name and address on the node's own Node.
func (s *server) annotate(ctx context.Context) {
	var own node
	if s.kube.get(ctx, s.nodePath(s.node), &own) != nil || own.Metadata.DeletionTimestamp != "" {
		return
	}
	have := own.Metadata.Annotations
	guarded := slices.Contains(own.Metadata.Finalizers, memberGuard)
	if have[nodeNameKey] == s.etcd.name && have[nodeAddressKey] == s.address && guarded && own.Metadata.Labels[etcdRole] == "true" {
		return
	}
	if have[removedNameKey] == s.etcd.name {
		return // on its way out: the name must not come back
	}
	finalizers := own.Metadata.Finalizers
	if !guarded {
		finalizers = append(finalizers, memberGuard)
	}
	err := s.kube.merge(ctx, s.nodePath(s.node), map[string]any{"metadata": map[string]any{
		"resourceVersion": own.Metadata.ResourceVersion, "finalizers": finalizers,
		"labels":      map[string]any{etcdRole: "true"},
		"annotations": map[string]any{nodeNameKey: s.etcd.name, nodeAddressKey: s.address},
	}})
	if err == nil {
		log.info("Annotations and labels have been set successfully on node: %s", s.node)
	}
}

func (s *server) etcdNodes(ctx context.Context) ([]node, error) {
	var list struct {
		Items []node `json:"items"`
	}
	err := s.kube.get(ctx, "/api/v1/nodes?labelSelector="+strings.ReplaceAll(etcdRole, "/", "%2F")+"%3Dtrue", &list)
	return list.Items, err
}

// keepMembers removes the members of Nodes that are deleted or marked.
func (s *server) keepMembers(ctx context.Context) {
	nodes, err := s.etcdNodes(ctx)
	if err != nil {
		return
	}
	for _, one := range nodes {
		if one.Metadata.DeletionTimestamp != "" {
			s.onDelete(ctx, one)
		} else if strings.EqualFold(one.Metadata.Annotations[removeKey], "true") {
			s.onMark(ctx, one)
		}
	}
}

func memberFields(one node) (name, address string, fields []field) {
	name, address = one.Metadata.Annotations[nodeNameKey], one.Metadata.Annotations[nodeAddressKey]
	return name, address, []field{{"address", address}, {"name", name}, {"node", one.Metadata.Name}}
}

func (s *server) onDelete(ctx context.Context, one node) {
	name, address, fields := memberFields(one)
	if slices.Contains(one.Metadata.Finalizers, memberGuard) && name != "" {
		log.line("info", "Removing etcd member from cluster due to node delete", fields...)
		if err := s.removeMember(ctx, name, address); err != nil {
			log.error("Failed to remove etcd member %s: %v", name, err)
			return
		}
		log.line("info", "etcd member removed successfully", fields...)
	}
	left := slices.DeleteFunc(one.Metadata.Finalizers, func(f string) bool { return strings.HasPrefix(f, "wrangler.cattle.io/") })
	_ = s.kube.merge(ctx, s.nodePath(one.Metadata.Name), map[string]any{"metadata": map[string]any{
		"resourceVersion": one.Metadata.ResourceVersion, "finalizers": left,
	}})
}

// onMark answers the request to leave. The answer is the removed name; when the node comes back
// under another name, both marks are taken away.
func (s *server) onMark(ctx context.Context, one node) {
	name, address, fields := memberFields(one)
	removed := one.Metadata.Annotations[removedNameKey]
	change := map[string]any{}
	switch {
	case removed != "" && name != "" && removed != name:
		log.line("info", "Resetting removed node flag as removed node name does not match current node name", fields...)
		change = map[string]any{removedNameKey: nil, removeKey: nil}
	case removed != "" || name == "":
		return
	default:
		log.line("info", "Removing etcd member from cluster due to remove annotation", fields...)
		err := s.removeMember(ctx, name, address)
		switch {
		case errors.Is(err, rpctypes.ErrMemberNotEnoughStarted):
			log.line("error", "etcd member removal rejected, clearing remove annotation: "+err.Error(), fields...)
			change = map[string]any{removeKey: nil}
		case err != nil:
			log.error("Failed to remove etcd member %s: %v", name, err)
			return
		default:
			log.line("info", "etcd emember removed successfully", fields...) // k3s' spelling
			change = map[string]any{removedNameKey: name, nodeNameKey: nil, nodeAddressKey: nil}
		}
	}
	_ = s.kube.merge(ctx, s.nodePath(one.Metadata.Name), map[string]any{"metadata": map[string]any{"annotations": change}})
}

// removeMember takes out the member whose name and address both fit.
func (s *server) removeMember(ctx context.Context, name, address string) error {
	client, err := s.etcd.local()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	list, err := client.MemberList(limited)
	if err != nil {
		return err
	}
	for _, m := range list.Members {
		if m.Name != name {
			continue
		}
		for _, peer := range m.PeerURLs {
			if peer == "https://"+host(address)+":2380" {
				log.info("Removing name=%s id=%d address=%s from etcd", m.Name, m.ID, address)
				_, err := client.MemberRemove(limited, m.ID)
				if errors.Is(err, rpctypes.ErrMemberNotFound) {
					return nil
				}
				return err
			}
		}
	}
	return nil
}

// finishReset clears what a cluster reset left, at the first normal start after it (facts 3.5).
// k3s waits for its node; without an agent there is none, and the flag stays (recorded).
func (s *server) finishReset(ctx context.Context) {
	if !exists(s.files.resetFlag()) || s.options.on("disable-agent") {
		return
	}
	err := s.kube.remove(ctx, "/api/v1/namespaces/kube-system/secrets/"+s.node+".node-password.k3s")
	if err != nil && code(err) != http.StatusNotFound {
		log.warning("Unable to delete node-password secret: %v", err)
	}
	nodes, err := s.etcdNodes(ctx)
	if err != nil {
		return
	}
	for _, one := range nodes {
		if one.Metadata.Annotations[removeKey] == "" && one.Metadata.Annotations[removedNameKey] == "" {
			continue
		}
		if s.kube.merge(ctx, s.nodePath(one.Metadata.Name), map[string]any{"metadata": map[string]any{
			"annotations": map[string]any{removeKey: nil, removedNameKey: nil},
		}}) == nil {
			log.info("Cleared etcd member removal annotations from node %s after cluster reset", one.Metadata.Name)
		}
	}
	_ = os.Remove(s.files.tls(dynamicName))
	_ = os.Remove(s.files.resetFlag())
}

// markVoters puts the condition EtcdIsVoter on the Nodes, from what etcd's leader sees.
func (s *server) markVoters(ctx context.Context, learners map[string]bool) {
	if !s.coreReady.Load() {
		log.warning("Failed to list nodes with etcd role: runtime core not ready")
		return
	}
	nodes, err := s.etcdNodes(ctx)
	if err != nil {
		log.warning("Failed to list nodes with etcd role: %v", err)
		return
	}
	now := time.Now().UTC().Format(time.RFC3339)
	for _, one := range nodes {
		status, reason, message := "True", "MemberNotLearner", "Node is a voting member of the etcd cluster"
		learner, listed := learners[one.Metadata.Annotations[nodeNameKey]]
		switch {
		case !listed:
			status, reason, message = "False", "NotAMember", "Node is not a member of the etcd cluster"
		case learner:
			status, reason, message = "False", "MemberIsLearner", "Node has not been promoted to voting member of the etcd cluster"
		}
		_ = s.kube.call(ctx, http.MethodPatch, s.nodePath(one.Metadata.Name)+"/status", "application/strategic-merge-patch+json", map[string]any{
			"status": map[string]any{"conditions": []any{map[string]string{
				"type": "EtcdIsVoter", "status": status, "reason": reason, "message": message, "lastHeartbeatTime": now,
			}}},
		}, nil)
	}
}
