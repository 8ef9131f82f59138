package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The agent: containerd, kubelet and kube-proxy as children, and the pod network (facts 1.2, 7.2).
// `k3s agent` is nothing else; `k3s server` has one too, unless --disable-agent.

// agentFlags are the flags of `k3s agent`, a part of the server's.
var agentFlags = pick(serverFlags, "config", "debug", "v", "vmodule", "log", "alsologtostderr", "data-dir", "token", "token-file",
	"server", "node-name", "with-node-id", "node-label", "node-taint", "node-ip", "node-external-ip", "node-internal-dns",
	"node-external-dns", "resolv-conf", "flannel-iface", "flannel-conf", "flannel-cni-conf", "vpn-auth", "vpn-auth-file", "docker",
	"container-runtime-endpoint", "image-service-endpoint", "pause-image", "snapshotter", "private-registry",
	"disable-default-registry-endpoint", "kubelet-arg", "kube-proxy-arg", "protect-kernel-defaults", "selinux", "lb-server-port",
	"disable-apiserver-lb", "bind-address", "rootless", "prefer-bundled-bin", "enable-pprof", "image-credential-provider-bin-dir",
	"image-credential-provider-config")

func pick(all map[string]flagSpec, names ...string) map[string]flagSpec {
	out := map[string]flagSpec{}
	for _, name := range names {
		out[name] = all[name]
	}
	return out
}

type agent struct {
	options *options
	files   layout
	node    string
	address string
	onHost  bool           // beside a server, in one process with it
	api     string         // where the API is reached from here
	cluster criticalConfig // what the server says of the cluster
	kube    *kube
	end     func(error) // ends the process, with a reason

	mu       sync.Mutex
	children []*child
}

// runsPods says whether the parts are there that an agent is made of.
func runsPods() bool {
	_, err := part("kubelet")
	return err == nil
}

// containerdFolder is where containerd keeps its socket and what does not outlive a boot.
const containerdFolder = "/run/k3s/containerd"

func runAgent(args []string) {
	o, err := parseOptions(agentFlags, args)
	if err != nil {
		log.fatal("Error: %v", err)
	}
	for _, name := range o.unknown {
		log.warning("Unknown flag --%s found in config.yaml, skipping", name)
	}
	if err := o.logToFile(); err != nil {
		log.fatal("Error: %v", err)
	}
	a := &agent{options: o, files: layout{data: o.text("data-dir"), etc: etcFolder()}}
	if a.node, a.address, err = o.nodeAndAddress(); err != nil {
		log.fatal("Error: %v", err)
	}
	token, err := o.token()
	if err != nil {
		log.fatal("Error: %v", err)
	}
	if token == "" {
		log.fatal("Error: --token is required")
	}
	if o.text("server") == "" {
		log.fatal("Error: --server is required")
	}
	if !runsPods() {
		log.fatal("Error: kubelet is not in %s: start the lab with agents, or set LAB_PARTS", partsPath())
	}
	if err := a.files.makeAgent(); err != nil {
		log.fatal("Error: %v", err)
	}
	if err := a.files.unpack(); err != nil {
		log.fatal("Error: %v", err)
	}
	log.info("Starting %s agent %s", program, version())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	var once sync.Once
	a.end = func(why error) {
		once.Do(func() { log.error("Shutdown request received: %q", why.Error()) })
		stop()
	}
	go func() {
		if err := a.join(ctx, token); err != nil {
			a.end(err)
			return
		}
		a.run(ctx, func() {
			log.info("%s agent is up and running", program)
			notify("READY=1\n")
		})
	}()
	<-ctx.Done()
	a.stopChildren()
	os.Exit(0)
}

// join finds the server behind a load balancer of its own, and fetches what an agent needs.
func (a *agent) join(ctx context.Context, token string) error {
	server, err := url.Parse(a.options.text("server"))
	if err != nil || server.Host == "" {
		return fmt.Errorf("--server %q is no URL", a.options.text("server"))
	}
	balancer := &balancer{file: a.files.agent("etc", "k3s-agent-load-balancer.json"), url: a.options.text("server"), first: withPort(server)}
	local := net.JoinHostPort("127.0.0.1", a.options.text("lb-server-port"))
	if err := balancer.listen(local); err != nil {
		return err
	}
	a.api = "https://" + local
	for {
		known, _ := os.ReadFile(a.files.agent("server-ca.crt"))
		access, err := validate(a.api, token, "node", known)
		if err != nil {
			log.error("Failed to validate connection to cluster at %s: %v", a.options.text("server"), err)
			if !pause(ctx, 2*time.Second) {
				return nil
			}
			continue
		}
		if err = a.fetch(access); err == nil {
			go every(ctx, 5*time.Second, func() { balancer.learn(access) })
			return nil
		}
		log.info("Waiting to retrieve agent configuration; server is not ready: %v", err)
		if !pause(ctx, 5*time.Second) {
			return nil
		}
	}
}

// pause waits, and says false when the process is to end.
func pause(ctx context.Context, time_ time.Duration) bool {
	select {
	case <-time.After(time_):
		return true
	case <-ctx.Done():
		return false
	}
}

// run starts everything in k3s' order (facts 7.2, rows 5, 8 and 13), and calls up when it is up.
func (a *agent) run(ctx context.Context, up func()) {
	steps := []func(context.Context) error{
		a.prepareHost, a.writeKubeconfigs, a.startContainerd, a.awaitAPI, a.startKubelet, a.startProxy, a.startNetwork,
	}
	for _, step := range steps {
		if ctx.Err() != nil {
			return
		}
		if err := step(ctx); err != nil {
			if ctx.Err() == nil {
				a.end(err)
			}
			return
		}
	}
	up()
}

// settings of the kernel that k3s' agent makes at its start, each where it can.
var kernelSettings = map[string]string{
	"net/ipv4/conf/all/forwarding":       "1",
	"net/ipv4/conf/default/forwarding":   "1",
	"net/bridge/bridge-nf-call-iptables": "1",
}

func (a *agent) prepareHost(context.Context) error {
	for name, value := range kernelSettings {
		path := filepath.Join("/proc/sys", name)
		if old, err := trimmed(path); err == nil && old == value {
			continue
		}
		log.info("Set sysctl '%s' to %s", name, value)
		if err := os.WriteFile(path, []byte(value), 0o640); err != nil {
			log.error("Failed to set sysctl: %v", err)
		}
	}
	for _, folder := range []string{a.files.agent("containerd"), a.files.agent("images"), a.files.agent("pod-manifests"),
		a.files.agent("etc", "cni", "net.d"), a.files.agent("etc", "containerd", "certs.d"), a.files.agent("etc", "flannel")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	return a.files.linkPlugins()
}

// awaitAPI waits until the API answers; a kubelet that starts before only makes noise.
func (a *agent) awaitAPI(ctx context.Context) error {
	kube, err := kubeWith(a.api, a.files.agent("client-k3s-controller.crt"), a.files.agent("client-k3s-controller.key"), a.files.agent("server-ca.crt"))
	if err != nil {
		return err
	}
	a.kube = kube
	for kube.readiness(ctx) != nil {
		if !pause(ctx, time.Second) {
			return nil
		}
	}
	return nil
}

// launch starts a part; the process ends when the part does, as in k3s.
func (a *agent) launch(ctx context.Context, name string, watch func([]byte) bool, env []string, program string, args ...string) error {
	running, err := startChild(name, watch, env, program, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a.mu.Lock()
	a.children = append(a.children, running)
	a.mu.Unlock()
	go func() {
		<-running.done
		if ctx.Err() == nil {
			if name == "containerd" {
				log.error("containerd exited: %v", running.exit())
			}
			a.end(fmt.Errorf("%s exited: %w", name, running.exit()))
		}
	}()
	return nil
}

// stopChildren ends kubelet and kube-proxy, then containerd. Pods go on without them.
func (a *agent) stopChildren() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := len(a.children) - 1; i >= 0; i-- {
		a.children[i].stop(3 * time.Second)
	}
}

// programPath finds one of the host's programs, or the one that an upgrade brought. A link of that name to this program
// is none of them.
func programPath(name string) (string, error) {
	own, _ := os.Executable()
	for _, folder := range append(partsFolders(), filepath.SplitList(os.Getenv("PATH"))...) {
		path, err := filepath.EvalSymlinks(filepath.Join(folder, name))
		if err != nil || path == own {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("failed to find %s: it comes with the host's packages", name)
}

func withPort(server *url.URL) string {
	if server.Port() != "" {
		return server.Host
	}
	return net.JoinHostPort(strings.Trim(server.Host, "[]"), "443")
}

// startAgent runs the agent of a server: everything that another one fetches is here already.
func (s *server) startAgent(ctx context.Context) {
	if s.options.on("disable-agent") || !runsPods() {
		return
	}
	s.agent = &agent{
		options: s.options, files: s.files, node: s.node, address: s.address, onHost: true,
		api: "https://127.0.0.1:" + s.options.text("https-listen-port"), cluster: s.critical(), end: s.shutdown,
	}
	go s.agent.run(ctx, func() {})
}
