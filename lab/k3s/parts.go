package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Parts are the upstream programs. In k3s they are threads of one process: it cannot die without
// them. Here they are children that the kernel kills when the thread that started them ends, so
// all are started from one thread that is locked for the life of the process.

type child struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

var (
	spawnOnce sync.Once
	spawn     chan func()
)

func onSpawner(f func()) {
	spawnOnce.Do(func() {
		spawn = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range spawn {
				f()
			}
		}()
	})
	done := make(chan struct{})
	spawn <- func() { f(); close(done) }
	<-done
}

// startChild runs a program; its lines go to the journal as they are, through this process, so
// that they carry one process id as k3s' lines do. watch sees each line first and says whether it
// is passed on; nil passes all.
func startChild(name string, watch func(line []byte) bool, env []string, program string, args ...string) (*child, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = write, write
	cmd.Env = append(ownEnvironment(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	var failed error
	onSpawner(func() { failed = cmd.Start() })
	_ = write.Close()
	if failed != nil {
		_ = read.Close()
		return nil, failed
	}
	c := &child{name: name, cmd: cmd, done: make(chan struct{})}
	go func() {
		pass(read, watch)
		c.err = cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// ownEnvironment is what children inherit. Not the way to systemd: etcd and kube-apiserver would
// report READY themselves.
func ownEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(one string) bool {
		return strings.HasPrefix(one, "NOTIFY_SOCKET=") || strings.HasPrefix(one, "K3S_")
	})
}

func pass(from io.ReadCloser, watch func([]byte) bool) {
	defer from.Close()
	lines := bufio.NewReaderSize(from, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if line[len(line)-1] != '\n' {
				line = append(line, '\n')
			}
			if watch == nil || watch(line) {
				log.raw(line)
			}
		}
		if err != nil {
			return
		}
	}
}

// exit is why the child ended; it must have ended.
func (c *child) exit() error {
	if c.err == nil {
		return errors.New("exit status 0")
	}
	return c.err
}

// dieAlike ends this process with the child's status when it crashed, and by the child's signal when
// it was killed by one: in k3s both are one process.
func (c *child) dieAlike(crashed bool) {
	var exit *exec.ExitError
	if !errors.As(c.err, &exit) {
		return
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		signal.Reset(status.Signal())
		_ = syscall.Kill(os.Getpid(), status.Signal())
		time.Sleep(time.Second) // until it arrives
		os.Exit(128 + int(status.Signal()))
	}
	if crashed {
		os.Exit(exit.ExitCode())
	}
}

// stop asks the child to end and kills it when it has not within the time.
func (c *child) stop(limit time.Duration) {
	if c == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(limit):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}
