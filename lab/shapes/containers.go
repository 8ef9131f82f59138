package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What every host is said to be made of; nothing of this name was ever pulled.
const image = "lab.defib.dev/node:lab"

const imageID = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// labels are those of k3d that are true of a lab.
func (n *node) labels() map[string]string {
	return map[string]string{
		"app":                 "k3d",
		"k3d.cluster":         cluster,
		"k3d.cluster.network": network(),
		"k3d.cluster.token":   n.lab.Token,
		"k3d.cluster.url":     "https://" + n.lab.Seats[0].Host + ":6443",
		"k3d.role":            n.Role,
	}
}

func network() string { return "k3d-" + cluster }

// environment is what a container of k3d was started with, and with it every command in it.
func (n *node) environment() []string {
	return []string{
		"K3S_TOKEN=" + n.lab.Token,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
}

// networks is where the container can be reached; one that is off has no address.
func (n *node) networks(running bool) map[string]any {
	address, gateway, length := "", "", 0
	if running {
		address, gateway, length = n.Address, "198.51.100.1", 24
	}
	return map[string]any{network(): map[string]any{
		"IPAddress": address, "Gateway": gateway, "IPPrefixLen": length,
		"Aliases": []string{n.Host}, "DNSNames": []string{n.Host, n.id[:12]},
		"NetworkID": network(), "EndpointID": "", "MacAddress": "",
	}}
}

// mounts are the files of the machine that every host sees.
func (n *node) mounts() []map[string]any {
	all := []map[string]any{}
	for _, bind := range n.lab.Binds {
		all = append(all, map[string]any{
			"Type": "bind", "Source": bind[0], "Destination": bind[1],
			"Mode": "ro", "RW": false, "Propagation": "rprivate",
		})
	}
	return all
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return "0001-01-01T00:00:00Z"
	}
	return at.Format(time.RFC3339Nano)
}

func word(now state) string {
	switch {
	case now.running:
		return "running"
	case now.started.IsZero():
		return "created"
	}
	return "exited"
}

// sentence is what `docker ps` shows as the status.
func sentence(now state) string {
	switch word(now) {
	case "running":
		return "Up " + ago(now.started)
	case "created":
		return "Created"
	}
	return fmt.Sprintf("Exited (%d) %s ago", now.code, ago(now.finished))
}

// ago counts as the engine does: one unit, rounded down, a word for one and less.
func ago(since time.Time) string {
	passed := time.Since(since)
	switch seconds, minutes, hours := int(passed.Seconds()), int(passed.Minutes()), int(passed.Hours()+0.5); {
	case seconds < 1:
		return "Less than a second"
	case seconds == 1:
		return "1 second"
	case seconds < 60:
		return fmt.Sprintf("%d seconds", seconds)
	case minutes == 1:
		return "About a minute"
	case minutes < 60:
		return fmt.Sprintf("%d minutes", minutes)
	case hours == 1:
		return "About an hour"
	case hours < 48:
		return fmt.Sprintf("%d hours", hours)
	default:
		return fmt.Sprintf("%d days", hours/24)
	}
}

func (e *engine) list(w http.ResponseWriter, r *http.Request) error {
	var filters map[string]map[string]bool
	if text := r.URL.Query().Get("filters"); text != "" {
		if err := json.Unmarshal([]byte(text), &filters); err != nil {
			return &apiError{http.StatusBadRequest, "invalid filter"}
		}
	}
	for name := range filters {
		if !slices.Contains([]string{"id", "label", "name", "network", "status"}, name) {
			return &apiError{http.StatusBadRequest, fmt.Sprintf("invalid filter '%s'", name)}
		}
	}
	found := []map[string]any{}
	for _, one := range e.lab.nodes() {
		now := one.state()
		// A status that is asked for is shown, whatever it is.
		if !now.running && !asked(r, "all") && len(filters["status"]) == 0 {
			continue
		}
		if !passes(filters, one, now) {
			continue
		}
		found = append(found, map[string]any{
			"Id": one.id, "Names": []string{"/" + one.Host}, "Image": image, "ImageID": imageID,
			"Command": "/lib/systemd/systemd", "Created": one.made().Unix(), "Ports": []any{},
			"Labels": one.labels(), "State": word(now), "Status": sentence(now),
			"HostConfig":      map[string]string{"NetworkMode": network()},
			"NetworkSettings": map[string]any{"Networks": one.networks(now.running)},
			"Mounts":          one.mounts(),
		})
	}
	return answer(w, http.StatusOK, found)
}

// passes says whether every filter has one value that fits; labels must all fit.
func passes(filters map[string]map[string]bool, n *node, now state) bool {
	any := func(name string, fits func(string) bool) bool {
		for value, on := range filters[name] {
			if on && fits(value) {
				return true
			}
		}
		return len(filters[name]) == 0
	}
	for wanted := range filters["label"] {
		key, value, valued := strings.Cut(wanted, "=")
		if own, has := n.labels()[key]; !has || (valued && own != value) {
			return false
		}
	}
	return any("name", func(value string) bool {
		match, err := regexp.MatchString(value, "/"+n.Host)
		return err == nil && match || strings.Contains(n.Host, value)
	}) && any("id", func(value string) bool { return strings.HasPrefix(n.id, value) }) &&
		any("network", func(value string) bool { return value == network() }) &&
		any("status", func(value string) bool { return value == word(now) })
}

// made is when the host's files were laid down.
func (n *node) made() time.Time { return changed(n.dir + "/seat") }

func (e *engine) inspect(w http.ResponseWriter, r *http.Request) error {
	found, err := e.find(r)
	if err != nil {
		return err
	}
	now := found.state()
	networks := found.networks(now.running)
	return answer(w, http.StatusOK, map[string]any{
		"Id": found.id, "Name": "/" + found.Host, "Created": stamp(found.made()),
		"Path": "/lib/systemd/systemd", "Args": []string{}, "Image": imageID,
		"State": map[string]any{
			"Status": word(now), "Running": now.running, "Paused": false, "Restarting": false,
			"OOMKilled": false, "Dead": false, "Pid": now.pid, "ExitCode": now.code, "Error": "",
			"StartedAt": stamp(now.started), "FinishedAt": stamp(now.finished),
		},
		"RestartCount": 0, "Driver": "overlay2", "Platform": "linux",
		"LogPath": "", "HostnamePath": "", "HostsPath": "", "ResolvConfPath": "",
		"HostConfig": map[string]any{
			"NetworkMode": network(), "Privileged": true,
			"RestartPolicy": map[string]any{"Name": "no", "MaximumRetryCount": 0},
		},
		"Mounts": found.mounts(),
		"Config": map[string]any{
			"Hostname": found.Host, "Domainname": "", "User": "", "Tty": false, "OpenStdin": false,
			"Env": found.environment(), "Cmd": nil, "Entrypoint": []string{"/lib/systemd/systemd"},
			"Image": image, "WorkingDir": "", "Labels": found.labels(), "Volumes": nil,
		},
		"NetworkSettings": map[string]any{"Networks": networks, "Ports": map[string]any{}},
	})
}

func (e *engine) top(w http.ResponseWriter, r *http.Request) error {
	found, err := e.find(r)
	if err != nil {
		return err
	}
	first := found.first()
	if first == 0 {
		return notRunning(found)
	}
	words := append([]string{"ps"}, strings.Fields(r.URL.Query().Get("ps_args"))...)
	if len(words) == 1 {
		words = append(words, "-ef")
	}
	said, err := found.enter(first, words...).Output()
	if err != nil {
		return fmt.Errorf("ps: %w", err)
	}
	lines := strings.Split(strings.TrimRight(string(said), "\n"), "\n")
	titles := strings.Fields(lines[0])
	rows := [][]string{}
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		// The last column holds a command line with spaces of its own.
		if last := len(titles) - 1; len(fields) > last {
			fields = append(fields[:last:last], strings.Join(fields[last:], " "))
		}
		rows = append(rows, fields)
	}
	return answer(w, http.StatusOK, map[string]any{"Titles": titles, "Processes": rows})
}
