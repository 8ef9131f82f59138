package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// The engine's API that is spoken here, and the oldest that upstream's client may ask for.
const (
	apiVersion = "1.47"
	apiOldest  = "1.24"
	engineName = "defib-lab"
)

// engine answers what upstream's docker asks a Docker engine, for the hosts of a lab.
type engine struct {
	lab *lab
	mu  sync.Mutex
	// execs are all commands that were asked for, by their ids, also those that have ended.
	execs map[string]*execution
}

// apiError is an answer that upstream's client shows as `Error response from daemon: …`.
type apiError struct {
	status  int
	message string
}

func (e *apiError) Error() string { return e.message }

func noSuch(what, name string) error {
	return &apiError{http.StatusNotFound, fmt.Sprintf("No such %s: %s", what, name)}
}

func notRunning(n *node) error {
	return &apiError{http.StatusConflict, fmt.Sprintf("container %s is not running", n.id)}
}

type handler func(w http.ResponseWriter, r *http.Request) error

// serveEngine listens until the lab ends.
func serveEngine(dir string) error {
	opened, err := openLab(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "docker.sock")
	_ = os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	served := &engine{lab: opened, execs: map[string]*execution{}}
	return (&http.Server{Handler: served.routes()}).Serve(listener)
}

// Every path may be asked for with a version before it.
var versioned = regexp.MustCompile(`^/v1\.[0-9]+(/.*)$`)

func (e *engine) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range map[string]handler{
		"GET /_ping":                    e.ping,
		"GET /version":                  e.version,
		"GET /info":                     e.info,
		"GET /containers/json":          e.list,
		"GET /containers/{name}/json":   e.inspect,
		"GET /containers/{name}/top":    e.top,
		"GET /containers/{name}/logs":   e.logs,
		"POST /containers/{name}/start": e.start,
		"POST /containers/{name}/stop":  e.stop,
		// A restart is what people forget their own way in for.
		"POST /containers/{name}/restart": e.restart,
		"POST /containers/{name}/kill":    e.kill,
		"POST /containers/{name}/wait":    e.wait,
		"POST /containers/{name}/exec":    e.execCreate,
		"GET /containers/{name}/archive":  e.archiveOut,
		"PUT /containers/{name}/archive":  e.archiveIn,
		"POST /exec/{id}/start":           e.execStart,
		"POST /exec/{id}/resize":          e.execResize,
		"GET /exec/{id}/json":             e.execInspect,
		// What `docker inspect` asks for when no container has the name.
		"GET /images/{name}/json":  unknown("image"),
		"GET /networks/{name}":     unknown("network"),
		"GET /volumes/{name}":      unknown("volume"),
		"GET /plugins/{name}/json": unknown("plugin"),
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := answer(w, r); err != nil {
				fail(w, err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, &apiError{http.StatusNotImplemented, fmt.Sprintf(
			"the lab's engine has no %s %s; lab/README.md says what it has", r.Method, r.URL.Path)})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if found := versioned.FindStringSubmatch(r.URL.Path); found != nil {
			r.URL.Path, r.URL.RawPath = found[1], ""
		}
		w.Header().Set("Api-Version", apiVersion)
		w.Header().Set("Ostype", "linux")
		w.Header().Set("Server", engineName)
		mux.ServeHTTP(w, r)
	})
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var known *apiError
	if errors.As(err, &known) {
		status = known.status
	}
	if status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": err.Error()})
}

func answer(w http.ResponseWriter, status int, value any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(value)
}

// find knows a container by its name, its id, or the beginning of that one alone.
func (e *engine) find(r *http.Request) (*node, error) {
	name := strings.TrimPrefix(r.PathValue("name"), "/")
	var found []*node
	for _, one := range e.lab.nodes() {
		if one.Host == name || one.id == name {
			return one, nil
		}
		if name != "" && strings.HasPrefix(one.id, name) {
			found = append(found, one)
		}
	}
	switch len(found) {
	case 0:
		return nil, noSuch("container", name)
	case 1:
		return found[0], nil
	}
	return nil, &apiError{http.StatusBadRequest, "multiple IDs found with provided prefix: " + name}
}

// unknown answers for what there is none of here.
func unknown(what string) handler {
	return func(_ http.ResponseWriter, r *http.Request) error { return noSuch(what, r.PathValue("name")) }
}

// asked is true for what the client writes for yes.
func asked(r *http.Request, name string) bool {
	yes, err := strconv.ParseBool(r.URL.Query().Get(name))
	return err == nil && yes
}

func (e *engine) ping(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write([]byte("OK"))
	return err
}

func (e *engine) version(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, map[string]any{
		"Platform": map[string]string{"Name": "the lab's stand-in for a Docker engine"},
		"Version":  engineName, "ApiVersion": apiVersion, "MinAPIVersion": apiOldest,
		"Os": "linux", "Arch": "amd64",
	})
}

func (e *engine) info(w http.ResponseWriter, _ *http.Request) error {
	running := 0
	nodes := e.lab.nodes()
	for _, one := range nodes {
		if one.first() != 0 {
			running++
		}
	}
	return answer(w, http.StatusOK, map[string]any{
		"ID": engineName, "Name": engineName, "ServerVersion": engineName,
		"OperatingSystem": "the lab's stand-in for a Docker engine", "OSType": "linux",
		"Containers": len(nodes), "ContainersRunning": running,
		"ContainersStopped": len(nodes) - running, "Images": 1,
	})
}
