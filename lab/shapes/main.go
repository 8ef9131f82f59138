// shapes gives the lab's hosts the two outer shapes that people meet them in: containers of a
// Docker engine, and virtual machines of a Proxmox host.
//
//	shapes engine LAB       a Docker engine over the lab's hosts, on LAB/docker.sock
//	shapes inside ORDER     what an engine starts in a host: becomes the command that was asked for
//	shapes hypervisor LAB   what is below the machines of a Proxmox host, on LAB/hypervisor/socket
//	qm …, vzdump …          (by that name) Proxmox' commands, on that host
//
// What is upstream's, what is ours and what is not confirmed stands in lab/README.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	args := os.Args[1:]
	switch filepath.Base(os.Args[0]) {
	case "qm":
		os.Exit(runQm(args))
	case "vzdump":
		os.Exit(runVzdump(args))
	}
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: shapes engine LAB | shapes inside ORDER | shapes hypervisor LAB")
		os.Exit(1)
	}
	var err error
	switch args[0] {
	case "engine":
		err = serveEngine(args[1])
	case "hypervisor":
		err = serveHypervisor(args[1])
	case "inside":
		// Only comes back when the command could not be started.
		os.Exit(inside(args[1]))
	default:
		err = fmt.Errorf("there is no verb %q", args[0])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "shapes:", err)
		os.Exit(1)
	}
}
