package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long an engine lets a container shut down before it kills it.
const grace = 10 * time.Second

func wanted(r *http.Request) time.Duration {
	seconds, err := strconv.Atoi(r.URL.Query().Get("t"))
	switch {
	case err != nil:
		return grace
	case seconds < 0:
		// As long as it takes.
		return 24 * time.Hour
	}
	return time.Duration(seconds) * time.Second
}

func (e *engine) start(w http.ResponseWriter, r *http.Request) error {
	found, err := e.find(r)
	if err != nil {
		return err
	}
	if found.first() != 0 {
		return &apiError{status: http.StatusNotModified}
	}
	if err := found.on(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (e *engine) stop(w http.ResponseWriter, r *http.Request) error {
	found, err := e.find(r)
	if err != nil {
		return err
	}
	if found.first() == 0 {
		return &apiError{status: http.StatusNotModified}
	}
	if err := found.off(wanted(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (e *engine) restart(w http.ResponseWriter, r *http.Request) error {
	found, err := e.find(r)
	if err != nil {
		return err
	}
	if found.first() != 0 {
		if err := found.off(wanted(r)); err != nil {
			return err
		}
	}
	if err := found.on(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (e *engine) kill(w http.ResponseWriter, r *http.Request) error {
	found, err := e.find(r)
	if err != nil {
		return err
	}
	number, err := signal(r.URL.Query().Get("signal"))
	if err != nil {
		return err
	}
	if found.first() == 0 {
		return &apiError{http.StatusConflict, fmt.Sprintf(
			"cannot kill container: %s: container %s is not running", r.PathValue("name"), found.id)}
	}
	if number == syscall.SIGKILL {
		_, err = found.press("cord")
	} else {
		err = found.signal(number)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// signal knows numbers, and names with and without SIG; none is KILL.
func signal(name string) (syscall.Signal, error) {
	if name == "" {
		return syscall.SIGKILL, nil
	}
	if number, err := strconv.Atoi(name); err == nil && number > 0 && number < 65 {
		return syscall.Signal(number), nil
	}
	if number := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG")); number != 0 {
		return number, nil
	}
	return 0, &apiError{http.StatusBadRequest, "invalid signal: " + name}
}

// wait answers when the container is off.
func (e *engine) wait(w http.ResponseWriter, r *http.Request) error {
	found, err := e.find(r)
	if err != nil {
		return err
	}
	// The client goes on only when it has seen the beginning of an answer.
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
	for found.first() != 0 {
		select {
		case <-r.Context().Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
	_, err = fmt.Fprintf(w, "{\"StatusCode\":%d}\n", found.state().code)
	return err
}
