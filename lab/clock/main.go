// Command clock runs a command, and all that it starts, by a wrong clock: the real one and so many seconds.
//
//	clock SECONDS COMMAND [ARGUMENT…]
//
// Programs do not ask the kernel for the time of day: they call code that it has put into their memory (vDSO). As each
// program begins, that code is replaced by a call of the kernel whose answer is put right, that is wrong. So it holds for
// static programs too, which a library in LD_PRELOAD does not reach, and nothing else of the program is touched.
//
// What the kernel does itself keeps the real time: dates of files, timers of the time of day. Clocks that only count up
// (CLOCK_MONOTONIC) are nobody's time of day and are left alone.
//
// A tracer has to see each program begin; it is a process of its own that nobody waits for. It ends with the last
// process that it follows.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// follow and detach are the program's own verbs: the tracer, and what starts it and ends, so that it is nobody's child.
const follow, detach = "--follow", "--detach"

func init() {
	// Tracing belongs to a thread, and so does what execve keeps.
	runtime.LockOSThread()
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "clock: %v\n", err)
		os.Exit(125)
	}
}

func run(words []string) error {
	if len(words) < 2 {
		return errors.New("usage: clock SECONDS COMMAND [ARGUMENT…]")
	}
	verb := ""
	if words[0] == follow || words[0] == detach {
		verb, words = words[0], words[1:]
	}
	seconds, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no number of seconds", words[0])
	}
	switch verb {
	case "":
		return become(seconds, words[1:])
	case detach:
		ready := os.NewFile(3, "ready")
		tracer := itself(ready, follow, words...)
		tracer.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return tracer.Start()
	default:
		first, err := strconv.Atoi(words[1])
		if err != nil {
			return fmt.Errorf("%q is no process", words[1])
		}
		return trace(first, seconds, os.NewFile(3, "ready"))
	}
}

// become has itself followed, and becomes the command.
func become(seconds int64, command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	here, there, err := os.Pipe()
	if err != nil {
		return err
	}
	starter := itself(there, detach, strconv.FormatInt(seconds, 10), strconv.Itoa(os.Getpid()))
	starter.Stderr = os.Stderr
	if err := starter.Run(); err != nil {
		return err
	}
	if err := there.Close(); err != nil {
		return err
	}
	said := make([]byte, 1)
	if n, _ := here.Read(said); n != 1 {
		return errors.New("nobody follows: may this process be traced?")
	}
	return syscall.Exec(path, command, os.Environ())
}

// itself is this program with one of its own verbs, and a pipe on which it says that it is ready. It keeps no stream of
// the command open.
func itself(ready *os.File, verb string, words ...string) *exec.Cmd {
	own := exec.Command("/proc/self/exe", append([]string{verb}, words...)...)
	own.ExtraFiles = []*os.File{ready}
	own.Dir = "/"
	return own
}
