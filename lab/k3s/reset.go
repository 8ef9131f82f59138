package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// `--cluster-reset` and `--cluster-reset-restore-path` (facts 3.5, 3.6).

const resetDone = "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes"

// checkReset refuses wrong combinations of flags before anything is touched.
func (s *server) checkReset() error {
	restore := s.options.text("cluster-reset-restore-path")
	switch {
	case !s.reset && restore != "":
		return errors.New("invalid flag use; --cluster-reset required with --cluster-reset-restore-path")
	case !s.reset:
		return nil
	case s.options.text("server") != "":
		return errors.New("cannot perform cluster-reset while server URL is set - remove server from configuration before resetting")
	case restore != "" && s.token == "":
		return fmt.Errorf("%s does not exist, please pass --token to complete the restoration", s.files.token())
	}
	for _, name := range []string{"k3s-agent-load-balancer.json", "k3s-api-server-agent-load-balancer.json"} {
		_ = os.Remove(s.files.agent("etc", name))
	}
	return nil
}

// resetCluster makes this server the only member. The rest of the steps runs once etcd answers.
func (s *server) resetCluster(ctx context.Context) error {
	restore := s.options.text("cluster-reset-restore-path")
	if restore == "" && exists(s.files.resetFlag()) {
		return fmt.Errorf("Managed etcd cluster membership was previously reset, please remove the cluster-reset flag and start %s normally. If you need to perform another cluster reset, you must first manually delete the file at %s", program, s.files.resetFlag()) //nolint:staticcheck // k3s' words
	}
	if restore != "" {
		if err := s.restore(restore); err != nil {
			return err
		}
	}
	if err := s.etcd.setName(s.node, true); err != nil {
		return err
	}
	// Before success, so that a reset that died half-way is not simply repeated.
	if err := writeFile(s.files.resetFlag(), nil, 0o600); err != nil {
		return err
	}
	log.info("Starting etcd for new cluster, cluster-reset=true")
	if err := s.etcd.start(etcdStart{cluster: s.etcd.name + "=" + s.etcd.peerURL(), state: "new", reset: true}); err != nil {
		return err
	}
	go s.watchEtcd(ctx)
	go func() {
		for {
			select {
			case <-time.After(5 * time.Second):
			case <-ctx.Done():
				return
			}
			if done, err := s.resetOnce(ctx); err != nil {
				s.shutdown(err)
				return
			} else if done {
				s.shutdown(errors.New(resetDone))
				return
			}
		}
	}()
	return nil
}

// resetOnce is one look at the new cluster; an error ends the reset.
func (s *server) resetOnce(ctx context.Context) (done bool, err error) {
	client, err := s.etcd.local()
	if err != nil {
		return false, nil
	}
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.etcd.test(limited); err != nil {
		log.info("Failed to test etcd connection: %v", err)
		// The address of this server may have changed since the data were written.
		if list, err := client.MemberList(limited); err == nil && len(list.Members) == 1 {
			_, err = client.MemberUpdate(limited, list.Members[0].ID, []string{s.etcd.peerURL()})
			if err != nil {
				log.error("Failed to update member peer URL: %v", err)
			}
		}
		return false, nil
	}
	if _, err := client.Put(limited, addressesKey, ""); err != nil {
		return false, nil
	}
	list, err := client.MemberList(limited)
	if err != nil || len(list.Members) != 1 || list.Members[0].Name != s.etcd.name {
		return false, nil
	}
	log.info("Reconciling bootstrap data between datastore and disk")
	log.info("Opening etcd client connection with endpoints [%s]", localEtcd)
	keys, err := s.storedKeys(limited)
	if err != nil {
		return false, err
	}
	return true, s.useKeys(keys, true)
}

// restore puts a snapshot in the place of the database (facts 3.6).
func (s *server) restore(path string) error {
	if s.options.on("etcd-s3") {
		return errors.New("the stand-in has no S3: give --etcd-s3=false and a local path")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("etcd: snapshot path does not exist: %s", path)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("etcd: snapshot path must be a file, not a directory: %s", path)
	}
	if strings.HasSuffix(path, ".zip") {
		// The bug of 1.35.3 and later: the path is joined onto the snapshot folder (facts 3.6).
		doubled := filepath.Join(s.snapshotFolder(), path)
		if path, err = s.unzip(doubled); err != nil {
			return err
		}
	}
	if s.etcd.name == "" {
		if err := s.etcd.setName(s.node, false); err != nil {
			return err
		}
	}
	if exists(s.files.etcd()) {
		old := fmt.Sprintf("%s-old-%d", s.files.etcd(), time.Now().Unix())
		if err := os.Rename(s.files.etcd(), old); err != nil {
			return err
		}
		log.info("Pre-restore etcd database moved to %s", old)
	}
	program, err := part("etcdutl")
	if err != nil {
		return err
	}
	var last []byte
	running, err := startChild("etcdutl", func(line []byte) bool {
		last = append(last[:0], line...)
		if encoded := consoleToJSON(string(line)); encoded != nil {
			log.raw(encoded) // inside k3s this code writes to etcd's own log
			return false
		}
		return !strings.HasPrefix(string(line), "Error: ")
	}, nil, program, "snapshot", "restore", path,
		"--name", s.etcd.name, "--data-dir", s.files.etcd(),
		"--initial-cluster", s.etcd.name+"="+s.etcd.peerURL(), "--initial-advertise-peer-urls", s.etcd.peerURL())
	if err != nil {
		return err
	}
	<-running.done
	if running.err != nil {
		return errors.New(strings.TrimSpace(strings.TrimPrefix(string(last), "Error: ")))
	}
	return nil
}

// consoleToJSON turns a line of zap's console form (time, level, logger, caller, message, fields,
// with tabs between) into the JSON form that etcd has within k3s; nil for any other line.
func consoleToJSON(line string) []byte {
	parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	if len(parts) < 4 || len(parts) > 6 {
		return nil
	}
	if _, err := time.Parse(time.RFC3339, parts[0]); err != nil {
		return nil
	}
	fields := ""
	if last := parts[len(parts)-1]; strings.HasPrefix(last, "{") && json.Valid([]byte(last)) {
		fields = strings.TrimSuffix(strings.TrimPrefix(last, "{"), "}")
		parts = parts[:len(parts)-1]
	}
	names := []string{"ts", "level", "caller", "msg"}
	if len(parts) == 5 {
		names = []string{"ts", "level", "logger", "caller", "msg"}
	}
	if len(parts) != len(names) {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"level":%q,"ts":%q`, parts[1], parts[0])
	for i := 2; i < len(parts); i++ {
		value, _ := json.Marshal(parts[i])
		fmt.Fprintf(&b, ",%q:%s", names[i], value)
	}
	if fields != "" {
		b.WriteString("," + fields)
	}
	b.WriteString("}\n")
	return []byte(b.String())
}

// backupEtcd moves the database away for a rejoin and keeps the last five such folders.
func (l layout) backupEtcd() error {
	if err := os.Rename(l.etcd(), fmt.Sprintf("%s-backup-%d", l.etcd(), time.Now().Unix())); err != nil {
		return err
	}
	old, err := filepath.Glob(l.etcd() + "-backup-*")
	if err != nil {
		return err
	}
	sort.Strings(old)
	for len(old) > 5 {
		if err := os.RemoveAll(old[0]); err != nil {
			return err
		}
		old = old[1:]
	}
	return nil
}

// kept is what the configuration of the last start says about the cluster; etcd looks at it only
// when its own log is empty.
func (e *etcd) kept() etcdStart {
	values, err := readConfigFiles(e.files.etcd("config"))
	if err != nil {
		return etcdStart{}
	}
	first := func(key string) string {
		if v := values[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	return etcdStart{cluster: first("initial-cluster"), state: first("initial-cluster-state")}
}
