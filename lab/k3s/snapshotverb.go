package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// runSnapshot is `k3s etcd-snapshot`: it asks the running server.
func runSnapshot(args []string) {
	verb := "save"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	o, err := parseOptions(withVerbFlags(map[string]flagSpec{
		"name": {value: "on-demand"}, "snapshot-compress": {kind: toggle}, "snapshot-retention": {}, "dir": {},
	}), shortSnapshot(args))
	if err != nil {
		log.fatal("Error: %v", err)
	}
	operation := map[string]string{"save": "save", "ls": "list", "list": "list", "l": "list", "prune": "prune", "delete": "delete"}[verb]
	if operation == "" {
		log.fatal("Error: the stand-in has no `k3s etcd-snapshot %s`: save, ls, prune, delete", verb)
	}
	wanted := snapshotRequest{Operation: operation, Name: []string{o.text("name")}}
	if operation == "delete" {
		wanted.Name = o.rest
	}
	for _, name := range []string{"dir", "etcd-snapshot-dir"} {
		if folder := o.text(name); folder != "" {
			wanted.Dir = &folder
		}
	}
	if compress := o.on("snapshot-compress") || o.on("etcd-snapshot-compress"); compress {
		wanted.Compress = &compress
	}
	if keep, err := strconv.Atoi(o.text("snapshot-retention")); err == nil {
		wanted.Retention = &keep
	}
	var result snapshotResult
	if err := ask(o, http.MethodPost, o.text("etcd-server"), "/db/snapshot", wanted, &result); err != nil {
		log.fatal("Error: %v", err)
	}
	for _, name := range result.Created {
		log.info("Snapshot %s saved.", name)
	}
	for _, name := range result.Deleted {
		log.info("Snapshot %s deleted.", name)
	}
	if operation == "delete" {
		for _, name := range wanted.Name {
			if !strings.Contains("\x00"+strings.Join(result.Deleted, "\x00")+"\x00", "\x00"+name+"\x00") {
				log.warning("Snapshot %s not found.", name)
			}
		}
	}
	if operation == "list" {
		printSnapshots(os.Stdout, result.Files, o.text("output"))
	}
}

// shortSnapshot turns -o into --output: for the server -o means something else.
func shortSnapshot(args []string) []string {
	out := []string{}
	for _, arg := range args {
		if arg == "-o" || strings.HasPrefix(arg, "-o=") {
			arg = "--output" + strings.TrimPrefix(arg, "-o")
		}
		out = append(out, arg)
	}
	return out
}

func printSnapshots(to io.Writer, files []snapshotFile, form string) {
	if form == "json" || form == "yaml" { // JSON is YAML
		content, _ := json.MarshalIndent(map[string]any{"items": files}, "", "  ")
		fmt.Fprintln(to, string(content))
		return
	}
	w := tabwriter.NewWriter(to, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "Name\tLocation\tSize\tCreated")
	for _, one := range files {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", one.Name, one.Location, one.Size, one.CreatedAt.Format(time.RFC3339))
	}
	_ = w.Flush()
}
