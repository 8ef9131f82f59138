package main

import (
	"encoding/binary"
	"io"
	"sync"
)

// What goes to a client in one stream without a terminal is cut into frames: which of the two it
// is, three zeros, the length, the bytes.
const (
	standardOutput = 1
	standardError  = 2
)

// frames lets both outputs write to one client.
type frames struct {
	mu sync.Mutex
	to io.Writer
}

type framed struct {
	frames *frames
	which  byte
}

func (f *frames) of(which byte) io.Writer { return framed{f, which} }

func (f framed) Write(text []byte) (int, error) {
	frame := make([]byte, 8, 8+len(text))
	frame[0] = f.which
	binary.BigEndian.PutUint32(frame[4:], uint32(len(text)))
	f.frames.mu.Lock()
	defer f.frames.mu.Unlock()
	if _, err := f.frames.to.Write(append(frame, text...)); err != nil {
		return 0, err
	}
	return len(text), nil
}
