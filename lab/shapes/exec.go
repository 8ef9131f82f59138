package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// linger is how long output is waited for that others hold open after the command has ended.
const linger = 2 * time.Second

// execution is a command that a client has asked for.
type execution struct {
	id    string
	node  *node
	order order
	stdin bool
	// What follows is guarded by the engine's lock.
	started, running bool
	code             int
	pid              int
	sizes            *os.File
}

func (e *engine) execCreate(w http.ResponseWriter, r *http.Request) error {
	found, err := e.find(r)
	if err != nil {
		return err
	}
	var wish struct {
		AttachStdin, Tty bool
		User, WorkingDir string
		Env, Cmd         []string
	}
	if err := json.NewDecoder(r.Body).Decode(&wish); err != nil {
		return &apiError{http.StatusBadRequest, err.Error()}
	}
	if len(wish.Cmd) == 0 {
		return &apiError{http.StatusBadRequest, "No exec command specified"}
	}
	if found.first() == 0 {
		return notRunning(found)
	}
	env := append(found.environment(), "HOSTNAME="+found.Host)
	if wish.Tty {
		env = append(env, "TERM=xterm")
	}
	one := &execution{
		id: fresh(), node: found, stdin: wish.AttachStdin,
		order: order{Cmd: wish.Cmd, Env: append(env, wish.Env...), Dir: wish.WorkingDir, User: wish.User, Tty: wish.Tty},
	}
	e.mu.Lock()
	e.execs[one.id] = one
	e.mu.Unlock()
	return answer(w, http.StatusCreated, map[string]string{"Id": one.id})
}

func fresh() string {
	var bytes [32]byte
	// It never fails.
	_, _ = rand.Read(bytes[:])
	return hex.EncodeToString(bytes[:])
}

func (e *engine) execution(r *http.Request) (*execution, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	one, known := e.execs[r.PathValue("id")]
	if !known {
		return nil, noSuch("exec instance", r.PathValue("id"))
	}
	return one, nil
}

func (e *engine) execStart(w http.ResponseWriter, r *http.Request) error {
	one, err := e.execution(r)
	if err != nil {
		return err
	}
	var wish struct {
		Detach, Tty bool
		ConsoleSize *[2]uint16
	}
	if err := json.NewDecoder(r.Body).Decode(&wish); err != nil {
		return &apiError{http.StatusBadRequest, err.Error()}
	}
	first := one.node.first()
	if first == 0 {
		return notRunning(one.node)
	}
	e.mu.Lock()
	again := one.started
	one.started = true
	e.mu.Unlock()
	if again {
		return &apiError{http.StatusConflict, fmt.Sprintf("exec command %s is already running", one.id)}
	}
	if wish.Detach {
		ready := make(chan string, 1)
		go func() { ready <- e.run(one, first, nil, io.Discard, io.Discard, nil) }()
		select {
		case why := <-ready:
			if why != "" {
				return errors.New(why)
			}
		case <-time.After(500 * time.Millisecond):
			// It runs; nobody waits for it.
		}
		w.WriteHeader(http.StatusOK)
		return nil
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return errors.New("the connection can't be taken over")
	}
	connection, buffered, err := hijacker.Hijack()
	if err != nil {
		return err
	}
	defer connection.Close()
	kind := "application/vnd.docker.multiplexed-stream"
	if one.order.Tty {
		kind = "application/vnd.docker.raw-stream"
	}
	head := "HTTP/1.1 200 OK\r\nContent-Type: " + kind + "\r\n\r\n"
	if r.Header.Get("Upgrade") != "" {
		head = "HTTP/1.1 101 UPGRADED\r\nContent-Type: " + kind + "\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
	}
	if _, err := io.WriteString(connection, head); err != nil {
		return nil
	}
	var out, failed io.Writer = connection, connection
	if !one.order.Tty {
		both := &frames{to: connection}
		out, failed = both.of(standardOutput), both.of(standardError)
	}
	var in io.Reader
	if one.stdin {
		// What the client sent right behind its question lies in the buffer.
		in = buffered.Reader
	}
	if why := e.run(one, first, in, out, failed, wish.ConsoleSize); why != "" {
		// An engine says it here, since its answer has begun.
		_, _ = fmt.Fprintf(out, "%s\r\n", why)
	}
	if half, ok := connection.(*net.UnixConn); ok {
		_ = half.CloseWrite()
	}
	return nil
}

// run runs a command to its end, and says why it could not be started, if so.
func (e *engine) run(one *execution, first int, in io.Reader, out, failed io.Writer, size *[2]uint16) string {
	text, err := json.Marshal(one.order)
	if err != nil {
		return err.Error()
	}
	command := one.node.enter(first, program, "inside", string(text))
	command.Env = []string{}
	command.WaitDelay = linger
	command.Stdout, command.Stderr = out, failed
	said, why, err := os.Pipe()
	if err != nil {
		return err.Error()
	}
	defer said.Close()
	command.ExtraFiles = []*os.File{why}
	if one.order.Tty {
		told, sizes, err := os.Pipe()
		if err != nil {
			return err.Error()
		}
		defer sizes.Close()
		command.ExtraFiles = append(command.ExtraFiles, told)
		defer told.Close()
		if size != nil {
			_, _ = fmt.Fprintf(sizes, "%d %d\n", size[0], size[1])
		}
		e.mu.Lock()
		one.sizes = sizes
		e.mu.Unlock()
	}
	if in != nil {
		pipe, err := command.StdinPipe()
		if err != nil {
			return err.Error()
		}
		go func() {
			// A command that does not read to the end closes its end earlier.
			_, _ = io.Copy(pipe, in)
			_ = pipe.Close()
		}()
	}
	err = command.Start()
	_ = why.Close()
	if err != nil {
		return err.Error()
	}
	e.mu.Lock()
	one.running, one.pid = true, command.Process.Pid
	e.mu.Unlock()
	err = command.Wait()
	e.mu.Lock()
	one.running, one.code, one.sizes = false, code(command, err), nil
	e.mu.Unlock()
	// What became another program has closed its end.
	_ = said.SetReadDeadline(time.Now().Add(linger))
	reason, _ := io.ReadAll(said)
	return string(reason)
}

func code(command *exec.Cmd, err error) int {
	state := command.ProcessState
	if state == nil {
		return 126
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

func (e *engine) execResize(w http.ResponseWriter, r *http.Request) error {
	one, err := e.execution(r)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if one.sizes != nil {
		_, _ = fmt.Fprintf(one.sizes, "%s %s\n", r.URL.Query().Get("h"), r.URL.Query().Get("w"))
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (e *engine) execInspect(w http.ResponseWriter, r *http.Request) error {
	one, err := e.execution(r)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var ended any
	if one.started && !one.running {
		ended = one.code
	}
	return answer(w, http.StatusOK, map[string]any{
		"ID": one.id, "ContainerID": one.node.id, "Running": one.running, "ExitCode": ended,
		"Pid": one.pid, "OpenStdin": one.stdin, "OpenStdout": true, "OpenStderr": true,
		"CanRemove": false, "DetachKeys": "",
		"ProcessConfig": map[string]any{
			"entrypoint": one.order.Cmd[0], "arguments": one.order.Cmd[1:],
			"tty": one.order.Tty, "privileged": false, "user": one.order.User,
		},
	})
}
