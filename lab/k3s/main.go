// k3s is the lab's stand-in for k3s: it behaves as k3s does at its edges (files, ports, verbs,
// messages, exit codes) and runs upstream etcd and Kubernetes as child processes. What is
// upstream's, what is ours and what is missing stands in README.md beside this file.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

const (
	program = "k3s"
	// madeFor is the release of the parts that a node is made with; see release.
	madeFor = "v1.35.4+k3s1"
)

// version is what it calls itself.
func version() string { return release() + " (lab)" }

func main() {
	args := os.Args[1:]
	// As kubectl, crictl or ctr when called by that name.
	if name := filepath.Base(os.Args[0]); name == "kubectl" || name == "crictl" || name == "ctr" {
		args = append([]string{name}, args...)
	}
	if len(args) == 0 {
		usage()
		os.Exit(1)
	}
	switch verb, rest := args[0], args[1:]; verb {
	case "server":
		runServer(rest)
	case "agent":
		runAgent(rest)
	case "kubectl":
		passOn("kubectl", rest, "KUBECONFIG", filepath.Join(etcFolder(), "k3s", "k3s.yaml"))
	case "crictl":
		passOn("crictl", rest, "CRI_CONFIG_FILE", layout{data: dataDir()}.agent("etc", "crictl.yaml"))
	case "ctr":
		passOn("ctr", rest, "CONTAINERD_ADDRESS", "/run/k3s/containerd/containerd.sock")
	case "token":
		runToken(rest)
	case "etcd-snapshot":
		runSnapshot(rest)
	case "certificate":
		runCertificate(rest)
	case "check-config":
		runCheckConfig()
	case "--version", "-v", "version":
		fmt.Printf("%s version %s\ngo version %s\n", program, version(), runtime.Version())
	case "help", "--help", "-h":
		usage()
	default:
		fmt.Fprintf(os.Stderr, "k3s: the stand-in has no `%s`; see lab/k3s/README.md for what it has\n", verb)
		os.Exit(1)
	}
}

func usage() {
	fmt.Print(`NAME:
   k3s - Kubernetes, but small and simple (the lab's stand-in)

USAGE:
   k3s [global options] command [command options]

COMMANDS:
   server         Run management server
   agent          Run node agent
   kubectl        Run kubectl
   crictl         Run crictl
   ctr            Run ctr
   token          Manage tokens (rotate, generate)
   etcd-snapshot  Manage etcd snapshots (save, ls)
   certificate    Manage certificates (check)
   check-config   Run config check
`)
}

func dataDir() string {
	if folder := os.Getenv("K3S_DATA_DIR"); folder != "" {
		return folder
	}
	return "/var/lib/rancher/k3s"
}

// passOn becomes another program, with one variable set unless the caller has set it.
func passOn(name string, args []string, key, value string) {
	path, err := part(name)
	if err != nil {
		if path, err = programPath(name); err != nil {
			log.fatal("Error: %s is not among the parts, and %v", name, err)
		}
	}
	if os.Getenv(key) == "" && exists(value) {
		_ = os.Setenv(key, value)
	}
	if err := syscall.Exec(path, append([]string{name}, args...), os.Environ()); err != nil {
		log.fatal("Error: %s: %v", path, err)
	}
}
