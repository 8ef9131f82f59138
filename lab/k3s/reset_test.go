package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testServer is a server with flags and folders of its own, and nothing running.
func testServer(t *testing.T, args ...string) *server {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("LAB_ETC", filepath.Join(folder, "etc"))
	o, err := parseOptions(serverFlags, append([]string{
		"--data-dir", filepath.Join(folder, "data"), "--node-ip", "198.51.100.7", "--node-name", "n7",
	}, args...))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.etcd = &etcd{files: s.files, address: s.address}
	return s
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("want an error with %q, got %v", text, err)
	}
}

// Facts 3.5, step 1.
func TestFlagsOfAResetAreChecked(t *testing.T) {
	wantError(t, testServer(t, "--cluster-reset", "--server", "https://198.51.100.1:6443").checkReset(),
		"cannot perform cluster-reset while server URL is set - remove server from configuration before resetting")
	wantError(t, testServer(t, "--cluster-reset-restore-path", "/x").checkReset(),
		"invalid flag use; --cluster-reset required with --cluster-reset-restore-path")
	wantError(t, testServer(t, "--cluster-reset", "--cluster-reset-restore-path", "/x").checkReset(),
		"server/token does not exist, please pass --token to complete the restoration")
	if err := testServer(t, "--cluster-reset", "--cluster-reset-restore-path", "/x", "--token", "a").checkReset(); err != nil {
		t.Fatal(err)
	}
}

// Facts 3.5, step 3, and section 9: the flag blocks a second plain reset.
func TestAResetIsNotRepeated(t *testing.T) {
	s := testServer(t, "--cluster-reset")
	if err := writeFile(s.files.resetFlag(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.resetCluster(t.Context())
	wantError(t, err, "Managed etcd cluster membership was previously reset, please remove the cluster-reset flag and start k3s normally.")
	wantError(t, err, s.files.resetFlag())
}

// Facts 3.6: with a restore path the flag is ignored, and the path is looked at first.
func TestARestoreNamesWhatIsWrongWithThePath(t *testing.T) {
	s := testServer(t, "--cluster-reset", "--cluster-reset-restore-path", "/nowhere", "--token", "a")
	if err := writeFile(s.files.resetFlag(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.resetCluster(t.Context()), "etcd: snapshot path does not exist: /nowhere")
	wantError(t, s.restore(t.TempDir()), "etcd: snapshot path must be a file, not a directory: ")
}

// Facts 3.6 and K44: the zip bug of 1.35.3 and later doubles an absolute path.
func TestAZipIsLookedForBelowTheSnapshotFolder(t *testing.T) {
	s := testServer(t, "--cluster-reset", "--token", "a")
	archive := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(archive, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.restore(archive), "open "+s.files.snapshots()+archive+": no such file or directory")
}

// Facts 1.1: etcd-backup-<unix> keeps five.
func TestBackupsOfTheDatabaseKeepFive(t *testing.T) {
	s := testServer(t)
	for _, stamp := range []string{"1", "2", "3", "4", "5"} {
		if err := os.MkdirAll(s.files.etcd()+"-backup-"+stamp, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(s.files.etcd(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.files.backupEtcd(); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(s.files.etcd() + "-backup-*")
	if len(left) != 5 || exists(s.files.etcd()+"-backup-1") || exists(s.files.etcd()) {
		t.Fatalf("left: %v", left)
	}
}

// Facts 3.3: a tombstone without --server is fatal (1.35.1 and later).
func TestATombstoneNeedsAServerToRejoin(t *testing.T) {
	s := testServer(t)
	if err := writeFile(s.files.etcd("tombstone"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.tombstone(""), "tombstone file has been detected but --server is empty")
	if !exists(s.files.etcd("tombstone")) {
		t.Fatal("the database was moved all the same")
	}
}

// A line that etcdutl printed, in the form that etcd's log has.
func TestTheRestoresLinesAreJSON(t *testing.T) {
	line := "2026-11-22T11:23:23Z\tinfo\tsnapshot/v3_snapshot.go:305\trestoring snapshot\t{\"path\": \"/x\"}\n"
	if got := string(consoleToJSON(line)); got != `{"level":"info","ts":"2026-11-22T11:23:23Z","caller":"snapshot/v3_snapshot.go:305","msg":"restoring snapshot","path": "/x"}`+"\n" {
		t.Error(got)
	}
	line = "2026-11-22T11:23:23Z\tinfo\tbbolt\tbackend/backend.go:203\tOpening db file\n"
	if got := string(consoleToJSON(line)); got != `{"level":"info","ts":"2026-11-22T11:23:23Z","logger":"bbolt","caller":"backend/backend.go:203","msg":"Opening db file"}`+"\n" {
		t.Error(got)
	}
	if got := consoleToJSON("Error: expected sha256\n"); got != nil {
		t.Errorf("%s", got)
	}
}
