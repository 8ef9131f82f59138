package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The log of k3s is logrus' text form (facts, section 0): time, level, msg, then fields in the
// order of their names. Parts write to the same stream in their own forms, so every line of
// every source goes through one lock and is written in one piece.

type journal struct {
	mu  sync.Mutex
	out io.Writer
	now func() time.Time
}

var log = &journal{out: os.Stderr, now: time.Now}

// field is one key="value" pair after the message.
type field struct{ key, value string }

// plain says whether logrus leaves a value without quotes.
func plain(value string) bool {
	if value == "" {
		return true // seen as `apiVersion= fieldPath=` in the recording
	}
	for _, r := range value {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case strings.ContainsRune("-._/@^+", r):
		default:
			return false
		}
	}
	return true
}

func quoted(value string) string {
	if plain(value) {
		return value
	}
	return strconv.Quote(value)
}

// format makes one logrus text line, with its newline.
func format(at time.Time, level, message string, fields ...field) string {
	var b strings.Builder
	fmt.Fprintf(&b, "time=%q level=%s msg=%s", at.Format(time.RFC3339), level, quoted(message))
	for _, f := range fields {
		fmt.Fprintf(&b, " %s=%s", f.key, quoted(f.value))
	}
	b.WriteByte('\n')
	return b.String()
}

func (j *journal) line(level, message string, fields ...field) {
	j.raw([]byte(format(j.now(), level, message, fields...)))
}

// raw writes one whole line as it is.
func (j *journal) raw(line []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, _ = j.out.Write(line)
}

func (j *journal) info(f string, a ...any)    { j.line("info", fmt.Sprintf(f, a...)) }
func (j *journal) warning(f string, a ...any) { j.line("warning", fmt.Sprintf(f, a...)) }
func (j *journal) error(f string, a ...any)   { j.line("error", fmt.Sprintf(f, a...)) }

// fatal writes the line and ends the process with status 1, as logrus does. The children are
// killed by the kernel (parts.go).
func (j *journal) fatal(f string, a ...any) {
	j.line("fatal", fmt.Sprintf(f, a...))
	os.Exit(1)
}
