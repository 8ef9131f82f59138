package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// layout knows where everything lies (facts, section 1). Nothing else in this program joins
// path names of k3s.
type layout struct {
	data string // $D, the data directory
	etc  string // /etc/rancher
}

// etcFolder is /etc/rancher, unless LAB_ETC names another folder: several servers can then run
// on one machine without a root file system each.
func etcFolder() string {
	if folder := os.Getenv("LAB_ETC"); folder != "" {
		return folder
	}
	return "/etc/rancher"
}

func (l layout) server(parts ...string) string {
	return filepath.Join(append([]string{l.data, "server"}, parts...)...)
}

func (l layout) agent(parts ...string) string {
	return filepath.Join(append([]string{l.data, "agent"}, parts...)...)
}

func (l layout) tls(parts ...string) string {
	return l.server(append([]string{"tls"}, parts...)...)
}

func (l layout) cred(name string) string { return l.server("cred", name) }
func (l layout) db(parts ...string) string {
	return l.server(append([]string{"db"}, parts...)...)
}
func (l layout) etcd(parts ...string) string {
	return l.db(append([]string{"etcd"}, parts...)...)
}

func (l layout) token() string        { return l.server("token") }
func (l layout) agentToken() string   { return l.server("agent-token") }
func (l layout) nodePassword() string { return filepath.Join(l.etc, "node", "password") }
func (l layout) resetFlag() string    { return l.db("reset-flag") }
func (l layout) snapshots() string    { return l.db("snapshots") }

// bootstrapFiles are the files that the datastore holds a copy of: field of the record and
// path (facts 2.3). The order is that of the record's fields by name.
func (l layout) bootstrapFiles(encryption bool) []bootstrapFile {
	files := []bootstrapFile{
		{"ClientCA", l.tls("client-ca.crt")},
		{"ClientCAKey", l.tls("client-ca.key")},
		{"ETCDPeerCA", l.tls("etcd", "peer-ca.crt")},
		{"ETCDPeerCAKey", l.tls("etcd", "peer-ca.key")},
		{"ETCDServerCA", l.tls("etcd", "server-ca.crt")},
		{"ETCDServerCAKey", l.tls("etcd", "server-ca.key")},
		{"IPSECKey", l.cred("ipsec.psk")},
		{"PasswdFile", l.cred("passwd")},
		{"RequestHeaderCA", l.tls("request-header-ca.crt")},
		{"RequestHeaderCAKey", l.tls("request-header-ca.key")},
		{"ServerCA", l.tls("server-ca.crt")},
		{"ServerCAKey", l.tls("server-ca.key")},
		{"ServiceKey", l.tls("service.key")},
	}
	if encryption {
		files = append(files,
			bootstrapFile{"EncryptionConfig", l.cred("encryption-config.json")},
			bootstrapFile{"EncryptionHash", l.cred("encryption-state.json")})
	}
	return files
}

// make creates the folders of a server.
func (l layout) make() error {
	for _, folder := range []struct {
		path string
		mode os.FileMode
	}{
		{l.data, 0o755}, {l.server(), 0o700}, {l.cred(""), 0o700}, {l.db(), 0o700},
		{l.server("etc"), 0o700}, {l.agent(), 0o755},
		{filepath.Join(l.etc, "k3s"), 0o755}, {filepath.Join(l.etc, "node"), 0o755},
	} {
		if err := os.MkdirAll(folder.path, folder.mode); err != nil {
			return err
		}
	}
	return nil
}

// laterParts is where an upgrade of the node puts the programs of another release.
const laterParts = "/opt/lab/later"

// partsFolders are where the upstream programs are; the first that has one wins.
func partsFolders() []string {
	given := os.Getenv("LAB_PARTS")
	if given == "" {
		given = "/opt/lab/bin"
		if exists(laterParts) {
			given = laterParts + string(filepath.ListSeparator) + given
		}
	}
	folders := filepath.SplitList(given)
	for i, folder := range folders {
		if whole, err := filepath.Abs(folder); err == nil {
			folders[i] = whole
		}
	}
	return folders
}

// release is the Kubernetes version of the parts with k3s' own suffix: that of the upgrade, which stands beside its
// programs, or the one that this program was made for.
var release = sync.OnceValue(func() string {
	said, err := os.ReadFile(filepath.Join(partsFolders()[0], "release"))
	if err != nil {
		return madeFor
	}
	return strings.TrimSpace(string(said))
})

// parts are all upstream programs by their name.
func parts() (map[string]string, error) {
	found := map[string]string{}
	for _, folder := range partsFolders() {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, fmt.Errorf("cannot read the parts: %w; set LAB_PARTS to the folder with etcd, kube-apiserver and the rest", err)
		}
		for _, entry := range entries {
			if _, have := found[entry.Name()]; !have && entry.Name() != "release" {
				found[entry.Name()] = filepath.Join(folder, entry.Name())
			}
		}
	}
	return found, nil
}

// unpack shows the parts as k3s shows its unpacked programs: data/<sha256>/bin with `current`
// pointing there and `previous` to the one before (facts 1.2). The programs themselves are not
// copied: k3s' copies are what `df` sees, ours are links.
func (l layout) unpack() error {
	found, err := parts()
	if err != nil {
		return err
	}
	sum := sha256.New()
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		info, err := os.Stat(found[name])
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", name, info.Size())
	}
	name := hex.EncodeToString(sum.Sum(nil))
	root := filepath.Join(l.data, "data")
	folder := filepath.Join(root, name)
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	log.info("Acquiring lock file %s", filepath.Join(root, ".lock"))
	log.info("Preparing data dir %s", folder)
	if err := os.MkdirAll(filepath.Join(folder, "bin"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, ".lock"), nil, 0o600); err != nil {
		return err
	}
	for name, path := range found {
		if err := os.Symlink(path, filepath.Join(folder, "bin", name)); err != nil {
			return err
		}
	}
	current := filepath.Join(root, "current")
	if old, err := os.Readlink(current); err == nil {
		previous := filepath.Join(root, "previous")
		_ = os.Remove(previous)
		if err := os.Symlink(old, previous); err != nil {
			return err
		}
		_ = os.Remove(current)
	}
	return os.Symlink(folder, current)
}

// part is the path of an upstream program, or an error that says what to do.
func part(name string) (string, error) {
	for _, folder := range partsFolders() {
		if path := filepath.Join(folder, name); exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not in %s: build the parts with `cargo xtask lab build` and set LAB_PARTS", name, partsPath())
}

// partsPath is the folders in one word.
func partsPath() string { return strings.Join(partsFolders(), string(filepath.ListSeparator)) }

// writeFile writes a file whole: a neighbour first, then the rename, so that a power cut never
// leaves half a key.
func writeFile(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	next := path + ".next"
	if err := os.WriteFile(next, content, mode); err != nil {
		return err
	}
	if err := os.Chmod(next, mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func trimmed(path string) (string, error) {
	content, err := os.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}
