package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What a Proxmox host does to a machine below it: power, and a way to the agent in it. The host
// itself is a node of the lab, and this is what it finds on its socket.

// firstVM is the number of the lab's first host; the others follow.
const firstVM = 101

// wish is one line from the Proxmox host.
type wish struct {
	Verb string
	VM   int
	// Disk is what the machine boots from: a name that the answer to an earlier start gave, `image`
	// for a new one, nothing for a machine without anything that it could boot from.
	Disk string
	// Drives and Memory are for the machine that is a real one: its disks' files, in order, and MiB.
	Drives []string
	Memory int
}

// reply is one line back.
type reply struct {
	Error   string
	Running bool
	PID     int
	Started time.Time
	Disk    string
}

// hypervisor holds the machines that run without anything to boot from, as a process each.
type hypervisor struct {
	lab   *lab
	mu    sync.Mutex
	blank map[int]*exec.Cmd
	// real is the machine that is a QEMU of its own, if the lab has one.
	real *virtual
}

func serveHypervisor(dir string) error {
	opened, err := openLab(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "hypervisor", "socket")
	_ = os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	served := &hypervisor{lab: opened, blank: map[int]*exec.Cmd{}, real: opened.VM}
	if served.real != nil {
		served.real.dir = filepath.Join(dir, "vm")
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go served.answer(connection)
	}
}

func (h *hypervisor) answer(connection net.Conn) {
	defer connection.Close()
	lines := bufio.NewReader(connection)
	text, err := lines.ReadBytes('\n')
	if err != nil {
		return
	}
	var asked wish
	said := &reply{}
	var agent net.Conn
	if err = json.Unmarshal(text, &asked); err == nil {
		if asked.Verb == "agent" {
			agent, err = h.agent(asked.VM)
		} else {
			said, err = h.do(asked)
		}
	}
	if err != nil {
		said = &reply{Error: err.Error()}
	}
	if json.NewEncoder(connection).Encode(said) != nil || agent == nil {
		return
	}
	defer agent.Close()
	// From here on it is a wire between the two.
	go func() {
		_, _ = io.Copy(agent, lines)
		_ = agent.Close()
	}()
	_, _ = io.Copy(connection, agent)
}

func (h *hypervisor) machine(number int) (*node, error) {
	for _, one := range h.lab.nodes() {
		if one.number() == number {
			return one, nil
		}
	}
	return nil, fmt.Errorf("there is no machine %d", number)
}

// number is the id that the host's machine has.
func (n *node) number() int {
	own, err := strconv.Atoi(strings.TrimPrefix(n.Name, "n"))
	if err != nil {
		return 0
	}
	return firstVM - 1 + own
}

func (h *hypervisor) do(asked wish) (*reply, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if asked.VM == virtualVM && h.real != nil {
		// What the host calls /var/lib/vz lies on its disk, which is mounted here.
		return h.real.do(asked, filepath.Join(h.lab.dir, "nodes", "pve1", "merged"))
	}
	found, err := h.machine(asked.VM)
	if err != nil {
		return nil, err
	}
	said := &reply{Disk: asked.Disk}
	switch asked.Verb {
	case "state":
	case "on":
		said.Disk, err = h.on(found, asked.Disk)
	case "ask":
		// A machine with nothing in it hears nothing.
		if h.blank[asked.VM] == nil {
			_, err = found.press("ask")
		}
	case "cord":
		if idle := h.blank[asked.VM]; idle != nil {
			_ = idle.Process.Kill()
			_ = idle.Wait()
			delete(h.blank, asked.VM)
		}
		_, err = found.press("cord")
	default:
		err = fmt.Errorf("there is no verb %q", asked.Verb)
	}
	if err != nil {
		return nil, err
	}
	if idle := h.blank[asked.VM]; idle != nil {
		said.Running, said.PID = true, idle.Process.Pid
		return said, nil
	}
	now := found.state()
	said.Running, said.Started = now.running, now.started
	if now.running {
		text, _ := found.press("state")
		said.PID, _ = strconv.Atoi(text)
	}
	return said, nil
}

// on starts a machine from a disk, and gives the disk's name.
func (h *hypervisor) on(n *node, disk string) (string, error) {
	if disk == "" {
		idle := exec.Command("sleep", "infinity")
		if err := idle.Start(); err != nil {
			return "", err
		}
		h.blank[n.number()] = idle
		return "", nil
	}
	if disk == "image" {
		disk = fresh()[:12]
		if err := os.MkdirAll(filepath.Join(n.dir, "disks", disk), 0o755); err != nil {
			return "", err
		}
	}
	chosen := filepath.Join(n.dir, "disk")
	if disk == "original" {
		if err := os.Remove(chosen); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	} else {
		if _, err := os.Stat(filepath.Join(n.dir, "disks", filepath.Base(disk))); err != nil {
			return "", err
		}
		if err := os.WriteFile(chosen, []byte(filepath.Base(disk)+"\n"), 0o644); err != nil {
			return "", err
		}
	}
	return disk, n.on()
}

// agent is a wire to the guest agent in a machine.
func (h *hypervisor) agent(number int) (net.Conn, error) {
	if number == virtualVM && h.real != nil {
		return net.DialTimeout("unix", h.real.path("qga"), time.Second)
	}
	found, err := h.machine(number)
	if err != nil {
		return nil, err
	}
	first := found.first()
	if first == 0 {
		return nil, errors.New("nothing runs in it")
	}
	return net.DialTimeout("unix", fmt.Sprintf("/proc/%d/root/run/qga.sock", first), time.Second)
}
