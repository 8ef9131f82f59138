package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cluster is what k3d would have been told as the name of the cluster.
const cluster = "lab"

// lab is the folder of a lab of nodes, as the harness has written it.
type lab struct {
	dir   string
	Token string `json:"token"`
	Seats []seat `json:"seats"`
	Binds [][2]string
	VM    *virtual
}

// seat is a node's place in the lab.
type seat struct {
	Name    string `json:"name"`
	Host    string `json:"host"`
	Address string `json:"address"`
	Role    string `json:"role"`
}

func openLab(dir string) (*lab, error) {
	text, err := os.ReadFile(filepath.Join(dir, "nodes.json"))
	if err != nil {
		return nil, err
	}
	opened := &lab{dir: dir}
	if err := json.Unmarshal(text, opened); err != nil {
		return nil, fmt.Errorf("%s/nodes.json: %w", dir, err)
	}
	return opened, nil
}

// node is one host of the lab: what is known of it, and its switch.
type node struct {
	lab *lab
	seat
	id  string
	dir string
}

func (l *lab) nodes() []*node {
	var all []*node
	for _, seat := range l.Seats {
		// As long as the lab lives, and another one in the next.
		sum := sha256.Sum256([]byte(l.Token + "/" + seat.Name))
		all = append(all, &node{
			lab: l, seat: seat,
			id:  hex.EncodeToString(sum[:]),
			dir: filepath.Join(l.dir, "nodes", seat.Name),
		})
	}
	return all
}

// press presses a node's switch: the same script that the harness uses.
func (n *node) press(verb string) (string, error) {
	command := exec.Command("sh", filepath.Join(n.lab.dir, "switch.sh"), verb, n.dir)
	var said, failed bytes.Buffer
	command.Stdout, command.Stderr = &said, &failed
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", verb, n.Name, err, strings.TrimSpace(failed.String()))
	}
	return strings.TrimSpace(said.String()), nil
}

// first is the host's own first process, 0 where it is off.
func (n *node) first() int {
	said, err := n.press("first")
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(said)
	return pid
}

// state is where a host's power is.
type state struct {
	running   bool
	pid, code int
	// killed by the kernel because its memory was used up is not seen from here.
	started, finished time.Time
}

func (n *node) state() state {
	var now state
	now.pid = n.first()
	now.running = now.pid != 0
	now.started = changed(filepath.Join(n.dir, "started"))
	if now.running {
		return now
	}
	now.finished = changed(filepath.Join(n.dir, "exit"))
	if text, err := os.ReadFile(filepath.Join(n.dir, "exit")); err == nil {
		now.code, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	return now
}

// changed is when a file was last written; the zero time where there is none.
func changed(path string) time.Time {
	found, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err != nil {
		return time.Time{}
	}
	return found.ModTime().UTC()
}

// off asks the host to shut down, and pulls its cord when that takes longer than the grace.
func (n *node) off(grace time.Duration) error {
	if _, err := n.press("ask"); err != nil {
		return err
	}
	for end := time.Now().Add(grace); n.first() != 0 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	// One that is off is only cleared away; for another one this is its end.
	_, err := n.press("cord")
	return err
}

// on switches it on, and returns when its own init runs: an engine waits for no more.
func (n *node) on() error {
	_, err := n.press("on")
	for tries := 0; err == nil && n.first() == 0; tries++ {
		if tries == 100 {
			return fmt.Errorf("%s did not start", n.Name)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// signal sends one to the host's init.
func (n *node) signal(number syscall.Signal) error {
	first := n.first()
	if first == 0 {
		return syscall.ESRCH
	}
	return syscall.Kill(first, number)
}

// enter is a command in all of the host's namespaces.
func (n *node) enter(first int, words ...string) *exec.Cmd {
	args := append([]string{fmt.Sprintf("--target=%d", first), "--all", "--"}, words...)
	return exec.Command("nsenter", args...)
}

// program is where every host of such a lab sees this program.
const program = "/opt/lab/bin/shapes"
