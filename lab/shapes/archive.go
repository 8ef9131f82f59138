package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// look is what `docker cp` wants to know of a path before it copies.
type look struct {
	Name       string      `json:"name"`
	Size       int64       `json:"size"`
	Mode       fs.FileMode `json:"mode"`
	Mtime      time.Time   `json:"mtime"`
	LinkTarget string      `json:"linkTarget"`
}

// lookAt asks the host itself: links lead where they lead there.
func (n *node) lookAt(first int, where string) (*look, error) {
	said, err := n.enter(first, "stat", "--format=%f %s %Y", "--", where).Output()
	if err != nil {
		return nil, &apiError{http.StatusNotFound, fmt.Sprintf("Could not find the file %s in container %s", where, n.id)}
	}
	var raw uint32
	var size, changed int64
	if _, err := fmt.Sscanf(string(said), "%x %d %d", &raw, &size, &changed); err != nil {
		return nil, err
	}
	found := &look{Name: path.Base(where), Size: size, Mode: mode(raw), Mtime: time.Unix(changed, 0)}
	if found.Mode&fs.ModeSymlink != 0 {
		target, _ := n.enter(first, "readlink", "-f", "--", where).Output()
		found.LinkTarget = strings.TrimSuffix(string(target), "\n")
	}
	return found, nil
}

// mode makes of the system's bits those that Go, and with it an engine, writes.
func mode(raw uint32) fs.FileMode {
	made := fs.FileMode(raw & 0o777)
	for bits, kind := range map[uint32]fs.FileMode{
		0o040000: fs.ModeDir, 0o120000: fs.ModeSymlink, 0o010000: fs.ModeNamedPipe, 0o140000: fs.ModeSocket,
		0o060000: fs.ModeDevice, 0o020000: fs.ModeDevice | fs.ModeCharDevice,
	} {
		if raw&0o170000 == bits {
			made |= kind
		}
	}
	for bit, kind := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if raw&bit != 0 {
			made |= kind
		}
	}
	return made
}

// place is the running container and the path that a copy is about.
func (e *engine) place(r *http.Request) (*node, int, string, error) {
	found, err := e.find(r)
	if err != nil {
		return nil, 0, "", err
	}
	first := found.first()
	if first == 0 {
		return nil, 0, "", notRunning(found)
	}
	return found, first, path.Join("/", r.URL.Query().Get("path")), nil
}

// archiveOut answers GET with a tar of one path, and HEAD with what is known of it.
func (e *engine) archiveOut(w http.ResponseWriter, r *http.Request) error {
	found, first, where, err := e.place(r)
	if err != nil {
		return err
	}
	known, err := found.lookAt(first, where)
	if err != nil {
		return err
	}
	text, err := json.Marshal(known)
	if err != nil {
		return err
	}
	w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(text))
	if r.Method == http.MethodHead {
		return nil
	}
	w.Header().Set("Content-Type", "application/x-tar")
	folder, name := path.Split(where)
	if name == "" {
		name = "."
	}
	command := found.enter(first, "tar", "--create", "--file=-", "--directory="+folder, "--", name)
	command.Stdout = w
	// The answer has begun; a file that changes while it is read is in the archive as it was.
	_ = command.Run()
	return nil
}

// archiveIn unpacks a tar in a folder.
func (e *engine) archiveIn(w http.ResponseWriter, r *http.Request) error {
	found, first, where, err := e.place(r)
	if err != nil {
		return err
	}
	known, err := found.lookAt(first, where)
	if err != nil {
		return err
	}
	if !known.Mode.IsDir() && known.LinkTarget == "" {
		return &apiError{http.StatusBadRequest, "extraction point is not a directory"}
	}
	owner := "--no-same-owner"
	if keep, _ := strconv.ParseBool(r.URL.Query().Get("copyUIDGID")); keep {
		owner = "--same-owner"
	}
	command := found.enter(first, "tar", "--extract", "--file=-", owner, "--directory="+where)
	command.Stdin = r.Body
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, strings.TrimSpace(string(said)))
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusOK)
	return nil
}
