package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
)

// containerd as the agent's child (facts 1.2, 6.5): its configuration, its log, its images. It is
// Debian's, of the 1.6 line, where k3s has one of its own.

// sandboxImage holds a pod's namespaces; it comes with the images that the lab makes.
const sandboxImage = "lab.defib.dev/pause:lab"

func (a *agent) socket() string { return containerdFolder + "/containerd.sock" }

func (a *agent) snapshotter() string {
	if chosen := a.options.text("snapshotter"); chosen != "" {
		return chosen
	}
	return "overlayfs"
}

// containerdConfig is written at every start.
func (a *agent) containerdConfig() string {
	image := a.options.text("pause-image")
	if image == "" {
		image = sandboxImage
	}
	return fmt.Sprintf(`# Written at every start of k3s; changes belong into config.toml.tmpl, which the stand-in does not read.
version = 2
root = %[1]q
state = %[2]q

[grpc]
  address = %[3]q

[plugins."io.containerd.internal.v1.opt"]
  path = %[1]q

[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
  stream_server_port = "10010"
  enable_selinux = false
  sandbox_image = %[4]q
  # The machine below may not raise limits, and kernel keyrings are counted per user on it.
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = %[5]q
    disable_snapshot_annotations = true

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        NoNewKeyring = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %[6]q
    conf_dir = %[7]q

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = %[8]q
`, a.files.agent("containerd"), containerdFolder, a.socket(), image, a.snapshotter(),
		filepath.Join(a.files.data, "data", "cni"), a.files.agent("etc", "cni", "net.d"), a.files.agent("etc", "containerd", "certs.d"))
}

// startContainerd starts it, waits until it answers, and gives it the images that lie on the node.
func (a *agent) startContainerd(ctx context.Context) error {
	program, err := programPath("containerd")
	if err != nil {
		return err
	}
	if a.snapshotter() == "overlayfs" {
		if err := overlayWorks(a.files.agent("containerd")); err != nil {
			return fmt.Errorf("\"overlayfs\" snapshotter cannot be enabled for %q, try using \"fuse-overlayfs\" or \"native\": %w", a.files.agent("containerd"), err)
		}
	}
	config := a.files.agent("etc", "containerd", "config.toml")
	if err := refresh(config, []byte(a.containerdConfig()), 0o600); err != nil {
		return err
	}
	crictl := fmt.Sprintf("runtime-endpoint: unix://%[1]s\nimage-endpoint: unix://%[1]s\n", a.socket())
	if err := refresh(a.files.agent("etc", "crictl.yaml"), []byte(crictl), 0o600); err != nil {
		return err
	}
	path := a.files.agent("containerd", "containerd.log")
	output, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	log.info("Logging containerd to %s", path)
	log.info("Running containerd -c %s", config)
	into := func(line []byte) bool {
		_, _ = output.Write(line)
		return false
	}
	// Its shim is the one that lies below the data directory, as in k3s.
	env := []string{"PATH=" + filepath.Join(a.files.data, "data", "current", "bin") + ":" + os.Getenv("PATH")}
	if err := a.launch(ctx, "containerd", into, env, program, "-c", config); err != nil {
		return err
	}
	for {
		err := a.runtimeReady(ctx)
		if err == nil {
			break
		}
		log.info("Waiting for containerd startup: %v", err)
		if !pause(ctx, time.Second) {
			return nil
		}
	}
	log.info("containerd is now running")
	return a.importImages(ctx)
}

// ctr runs containerd's own client.
func (a *agent) ctr(ctx context.Context, arguments ...string) (string, error) {
	program, err := programPath("ctr")
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	said, err := exec.CommandContext(limited, program, append([]string{"-a", a.socket(), "-n", "k8s.io"}, arguments...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.TrimSpace(string(said)), err)
	}
	return string(said), nil
}

// runtimeReady asks whether the part that the kubelet talks to has been loaded.
func (a *agent) runtimeReady(ctx context.Context) error {
	conn, err := net.DialTimeout("unix", a.socket(), time.Second)
	if err != nil {
		return err
	}
	_ = conn.Close()
	said, err := a.ctr(ctx, "plugins", "ls")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(said, "\n") {
		words := strings.Fields(line)
		if len(words) > 2 && words[0] == "io.containerd.grpc.v1" && words[1] == "cri" && words[len(words)-1] == "ok" {
			return nil
		}
	}
	return errors.New("rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService")
}

// importImages takes the archives that lie in agent/images, k3s' way for hosts without a registry.
func (a *agent) importImages(ctx context.Context) error {
	archives, err := filepath.Glob(a.files.agent("images", "*.tar"))
	if err != nil {
		return err
	}
	sort.Strings(archives)
	for _, archive := range archives {
		begun := time.Now()
		log.info("Importing images from %s", archive)
		if _, err := a.ctr(ctx, "images", "import", "--snapshotter", a.snapshotter(), archive); err != nil {
			log.error("Error encountered while importing %s: %v", archive, err)
			continue
		}
		log.info("Imported images from %s in %s", archive, time.Since(begun).Round(time.Millisecond))
	}
	return nil
}

// overlayWorks tries to mount one: the file system below may not carry it.
func overlayWorks(folder string) error {
	trial, err := os.MkdirTemp(folder, "overlay-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(trial)
	for _, name := range []string{"lower1", "lower2", "merged"} {
		if err := os.Mkdir(filepath.Join(trial, name), 0o700); err != nil {
			return err
		}
	}
	merged := filepath.Join(trial, "merged")
	options := fmt.Sprintf("lowerdir=%s:%s", filepath.Join(trial, "lower2"), filepath.Join(trial, "lower1"))
	if err := syscall.Mount("overlay", merged, "overlay", 0, options); err != nil {
		return fmt.Errorf("failed to mount overlay: %w", err)
	}
	return syscall.Unmount(merged, 0)
}

// linkPlugins shows the CNI plugins where k3s has them, and keeps a shim of the node's own.
func (l layout) linkPlugins() error {
	folder := filepath.Join(l.data, "data", "cni")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"bridge", "host-local", "loopback", "portmap"} {
		source := filepath.Join("/usr/lib/cni", name)
		if !exists(source) {
			return fmt.Errorf("failed to find %s", name)
		}
		if link := filepath.Join(folder, name); !exists(link) {
			if err := os.Symlink(source, link); err != nil {
				return err
			}
		}
	}
	const shim = "containerd-shim-runc-v2"
	target := filepath.Join(l.data, "data", "current", "bin", shim)
	if exists(target) {
		return nil
	}
	source, err := programPath(shim)
	if err != nil {
		return err
	}
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(target+".next", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err = io.Copy(to, from); err == nil {
		err = to.Close()
	}
	if err != nil {
		return err
	}
	return os.Rename(target+".next", target)
}
