package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// logs gives what k3s has said. In a container of k3d it is the first process and this is the
// container's log; here it is a unit, so the same lines come from the host's journal.
func (e *engine) logs(w http.ResponseWriter, r *http.Request) error {
	found, err := e.find(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	if !asked(r, "stdout") && !asked(r, "stderr") {
		return &apiError{http.StatusBadRequest, "Bad parameters: you must choose at least one stream"}
	}
	// Not --unit: that brings systemd's own words about the unit too, and counts them.
	words := []string{"journalctl", "--output=json", "--no-pager", "--quiet",
		"_SYSTEMD_UNIT=k3s.service", "_SYSTEMD_UNIT=k3s-agent.service"}
	tail := query.Get("tail")
	if _, err := strconv.ParseUint(tail, 10, 32); err != nil {
		tail = "all"
	}
	words = append(words, "--lines="+tail)
	for _, name := range []string{"since", "until"} {
		if at := query.Get(name); at != "" && at != "0" {
			words = append(words, "--"+name+"=@"+at)
		}
	}
	var command *exec.Cmd
	if first := found.first(); first != 0 {
		if asked(r, "follow") {
			words = append(words, "--follow")
		}
		command = found.enter(first, words...)
	} else {
		var files []string
		for _, place := range []string{"upper", "layers/*"} {
			some, _ := filepath.Glob(filepath.Join(found.dir, place, "var/log/journal/*/*.journal"))
			files = append(files, some...)
		}
		for _, file := range files {
			words = append(words, "--file="+file)
		}
		command = exec.Command(words[0], words[1:]...)
		if len(files) == 0 {
			command = exec.Command("true")
		}
	}
	said, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	go func() {
		// A client that follows and goes ends it.
		<-r.Context().Done()
		_ = command.Process.Kill()
	}()
	w.Header().Set("Content-Type", "application/vnd.docker.multiplexed-stream")
	w.WriteHeader(http.StatusOK)
	flusher, _ := w.(http.Flusher)
	flusher.Flush()
	// k3s speaks on its standard error.
	var out io.Writer = io.Discard
	if asked(r, "stderr") {
		out = (&frames{to: w}).of(standardError)
	}
	copyJournal(out, said, asked(r, "timestamps"), flusher.Flush)
	_ = command.Wait()
	return nil
}

// copyJournal makes lines of a journal's entries.
func copyJournal(out io.Writer, entries io.Reader, stamps bool, each func()) {
	lines := bufio.NewReader(entries)
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var entry struct {
			At      string          `json:"__REALTIME_TIMESTAMP"`
			Message json.RawMessage `json:"MESSAGE"`
		}
		if json.Unmarshal(text, &entry) != nil {
			continue
		}
		line := message(entry.Message)
		if stamps {
			micros, _ := strconv.ParseInt(entry.At, 10, 64)
			line = time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000000Z") + " " + line
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return
		}
		each()
	}
}

// message is text, or the numbers of its bytes where it holds others than text.
func message(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var numbers []uint16
	_ = json.Unmarshal(raw, &numbers)
	bytes := make([]byte, 0, len(numbers))
	for _, number := range numbers {
		bytes = append(bytes, byte(number))
	}
	return string(bytes)
}
