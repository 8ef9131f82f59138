package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// The pod network. k3s has flannel inside, with VXLAN. Here it is what flannel's host-gw backend
// does, done by us: a bridge per node (CNI's own plugins), and a route to every other node's pods.
// Files and the line order are k3s' (facts 1.2, 1.3, 7.2 row 13).

// podNode is what the network needs of a Node.
type podNode struct {
	Metadata struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		PodCIDR    string  `json:"podCIDR"`
		ProviderID string  `json:"providerID"`
		Taints     []taint `json:"taints"`
	} `json:"spec"`
	Status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
	} `json:"status"`
}

type taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

func (n podNode) address() string {
	for _, one := range n.Status.Addresses {
		if one.Type == "InternalIP" {
			return one.Address
		}
	}
	return ""
}

func (k *kube) podNodes(ctx context.Context) ([]podNode, error) {
	var list struct {
		Items []podNode `json:"items"`
	}
	err := k.get(ctx, "/api/v1/nodes", &list)
	return list.Items, err
}

// startNetwork waits for this node's range of pod addresses and sets the node up for it.
func (a *agent) startNetwork(ctx context.Context) error {
	var own podNode
	for own.Spec.PodCIDR == "" {
		if err := a.kube.get(ctx, "/api/v1/nodes/"+a.node, &own); err != nil || own.Spec.PodCIDR == "" {
			if !pause(ctx, time.Second) {
				return nil
			}
		}
	}
	log.info("Starting flannel with backend host-gw")
	log.info("Flannel found PodCIDR assigned for node %s", a.node)
	link, err := linkOf(a.address)
	if err != nil {
		return fmt.Errorf("flannel exited: failed to find the interface: %w", err)
	}
	log.info("The interface %s with ipv4 address %s will be used by flannel", link, a.address)
	pods := strings.Join(a.cluster.ClusterIPRanges, ",")
	if err := a.writeNetwork(own.Spec.PodCIDR, pods); err != nil {
		return fmt.Errorf("flannel exited: %w", err)
	}
	log.info("Wrote flannel subnet file to /run/flannel/subnet.env")
	if err := masquerade(ctx, pods); err != nil {
		log.error("Failed to ensure iptables rules: %v", err)
	}
	log.info("Running flannel backend.")
	go keepRoutes(ctx, a.kube, a.node)
	change := map[string]any{"metadata": map[string]any{"annotations": map[string]string{
		"k3s.io/hostname": a.node, "k3s.io/internal-ip": a.address,
		"flannel.alpha.coreos.com/backend-type": "host-gw", "flannel.alpha.coreos.com/kube-subnet-manager": "true",
		"flannel.alpha.coreos.com/public-ip": a.address,
	}}}
	for a.kube.merge(ctx, "/api/v1/nodes/"+a.node, change) != nil {
		if !pause(ctx, time.Second) {
			return nil
		}
	}
	log.info("Labels and annotations have been set successfully on node: %s", a.node)
	return nil
}

// writeNetwork writes the CNI configuration and flannel's file. The network is named cbr0 as in
// k3s, so addresses are kept in /var/lib/cni/networks/cbr0.
func (a *agent) writeNetwork(own, pods string) error {
	config := fmt.Sprintf(`{
  "name": "cbr0",
  "cniVersion": "1.0.0",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isDefaultGateway": true,
      "forceAddress": true,
      "hairpinMode": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": %q}]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, own, pods)
	// containerd watches the folder: it takes no notice of a file that is moved in, and reads what is written at once.
	if err := os.WriteFile(a.files.agent("etc", "cni", "net.d", "10-flannel.conflist"), []byte(config), 0o600); err != nil {
		return err
	}
	conf := fmt.Sprintf("{\n\t\"Network\": %q,\n\t\"EnableIPv4\": true,\n\t\"Backend\": {\n\t\t\"Type\": \"host-gw\"\n\t}\n}\n", pods)
	if err := refresh(a.files.agent("etc", "flannel", "net-conf.json"), []byte(conf), 0o600); err != nil {
		return err
	}
	_, network, err := net.ParseCIDR(own)
	if err != nil {
		return err
	}
	ones, _ := network.Mask.Size()
	env := fmt.Sprintf("FLANNEL_NETWORK=%s\nFLANNEL_SUBNET=%s/%d\nFLANNEL_MTU=1500\nFLANNEL_IPMASQ=true\n", pods, nth(own, 1), ones)
	return writeFile("/run/flannel/subnet.env", []byte(env), 0o644)
}

func linkOf(address string) (string, error) {
	links, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, link := range links {
		addresses, _ := link.Addrs()
		for _, one := range addresses {
			if ip, _, err := net.ParseCIDR(one.String()); err == nil && ip.String() == address {
				return link.Name, nil
			}
		}
	}
	return "", fmt.Errorf("no interface has the address %s", address)
}

// masquerade lets pods reach what lies outside their network under the node's address.
func masquerade(ctx context.Context, pods string) error {
	const chain = "FLANNEL-POSTRTG"
	_ = exec.CommandContext(ctx, "iptables", "-w", "-t", "nat", "-N", chain).Run() // fails where it is there
	for _, rule := range [][]string{
		{chain, "-s", pods, "!", "-d", pods, "-m", "comment", "--comment", "flanneld masq", "-j", "MASQUERADE"},
		{"POSTROUTING", "-m", "comment", "--comment", "flanneld masq", "-j", chain},
	} {
		check := append([]string{"-w", "-t", "nat", "-C"}, rule...)
		if exec.CommandContext(ctx, "iptables", check...).Run() == nil {
			continue
		}
		add := append([]string{"-w", "-t", "nat", "-A"}, rule...)
		if said, err := exec.CommandContext(ctx, "iptables", add...).CombinedOutput(); err != nil {
			return fmt.Errorf("iptables %s: %s: %w", strings.Join(add, " "), strings.TrimSpace(string(said)), err)
		}
	}
	return nil
}

// keepRoutes leads to every other node's pods. On a server without an agent it stands for k3s'
// tunnel, through which the API server reaches webhooks and aggregated APIs.
func keepRoutes(ctx context.Context, k *kube, node string) {
	made := map[string]string{}
	every(ctx, lookEvery, func() {
		nodes, err := k.podNodes(ctx)
		if err != nil {
			return
		}
		wanted := map[string]string{}
		for _, one := range nodes {
			if one.Metadata.Name != node && one.Spec.PodCIDR != "" && one.address() != "" {
				wanted[one.Spec.PodCIDR] = one.address()
			}
		}
		for pods, via := range wanted {
			// Set again and again: a link that went down has taken its routes along.
			said, err := exec.CommandContext(ctx, "ip", "route", "replace", pods, "via", via).CombinedOutput()
			if err != nil && ctx.Err() == nil && made[pods] != via {
				log.error("Failed to add route to %s via %s: %s", pods, via, strings.TrimSpace(string(said)))
			}
			made[pods] = via
		}
		for pods := range made {
			if wanted[pods] == "" {
				_ = exec.CommandContext(ctx, "ip", "route", "del", pods).Run()
				delete(made, pods)
			}
		}
	})
}

// hostsFile makes CoreDNS' NodeHosts: an address and a name per line.
func hostsFile(nodes []podNode) string {
	var lines []string
	for _, one := range nodes {
		if address := one.address(); address != "" {
			lines = append(lines, address+" "+one.Metadata.Name)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
