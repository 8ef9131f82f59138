package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// What package syscall does not have: include/uapi/linux/ptrace.h.
const (
	seize     = 0x4206
	listen    = 0x4208
	eventStop = 128
)

// trace follows a process and all that come of it until none is left.
func trace(first int, seconds int64, ready *os.File) error {
	options := syscall.PTRACE_O_TRACEFORK | syscall.PTRACE_O_TRACEVFORK |
		syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACEEXEC
	if err := ptrace(seize, first, uintptr(options)); err != nil {
		return fmt.Errorf("follow process %d: %w", first, err)
	}
	if _, err := ready.Write([]byte{1}); err != nil {
		return err
	}
	if err := ready.Close(); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return err
		case !status.Stopped():
			continue
		}
		answer(pid, status, seconds)
	}
}

// answer lets a process that has stopped go on. One that is gone meanwhile needs no answer.
func answer(pid int, status syscall.WaitStatus, seconds int64) {
	signal := status.StopSignal()
	event := int(status) >> 16
	switch {
	case event == syscall.PTRACE_EVENT_EXEC:
		if err := setWrong(pid, seconds); err != nil {
			// Better no process than one by the right clock, which would be taken for a finding.
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = syscall.PtraceCont(pid, 0)
	case event == eventStop && stops(signal):
		// It was stopped by a signal, and stays so until it is continued by one.
		_ = ptrace(listen, pid, 0)
	case event != 0:
		_ = syscall.PtraceCont(pid, 0)
	default:
		_ = syscall.PtraceCont(pid, int(signal))
	}
}

func stops(signal syscall.Signal) bool {
	switch signal {
	case syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
		return true
	}
	return false
}

func ptrace(request, pid int, data uintptr) error {
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(pid), 0, data, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
