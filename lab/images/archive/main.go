// archive makes a container image of a few files, in the form of `docker save`, which containerd
// imports: a configuration, one layer, and a list of both. The same files give the same bytes.
//
//	archive OUT NAME ENTRYPOINT[,ARGUMENT…] FILE=PATH|->TARGET=PATH …
//
// FILE=PATH puts a file of this machine at PATH; TARGET->PATH makes a link.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"runtime"
	"sort"
	"strings"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "archive: give OUT NAME ENTRYPOINT[,ARGUMENT…] FILE=PATH… TARGET->PATH…")
		os.Exit(1)
	}
	if err := write(os.Args[1], os.Args[2], strings.Split(os.Args[3], ","), os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

// entry is one file or link of the layer.
type entry struct{ path, file, target string }

func parse(words []string) ([]entry, error) {
	var all []entry
	for _, word := range words {
		if target, where, ok := strings.Cut(word, "->"); ok {
			all = append(all, entry{path: where, target: target})
		} else if file, where, ok := strings.Cut(word, "="); ok {
			all = append(all, entry{path: where, file: file})
		} else {
			return nil, fmt.Errorf("%q is neither FILE=PATH nor TARGET->PATH", word)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].path < all[j].path })
	return all, nil
}

func layer(entries []entry) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	made := map[string]bool{".": true, "/": true}
	var folder func(string) error
	folder = func(name string) error {
		if made[name] {
			return nil
		}
		if err := folder(path.Dir(name)); err != nil {
			return err
		}
		made[name] = true
		mode := int64(0o755)
		if name == "/tmp" {
			mode = 0o1777
		}
		return w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(name, "/") + "/", Typeflag: tar.TypeDir, Mode: mode})
	}
	if err := folder("/tmp"); err != nil {
		return nil, err
	}
	for _, one := range entries {
		if err := folder(path.Dir(one.path)); err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(one.path, "/")
		if one.target != "" {
			if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: one.target, Mode: 0o777}); err != nil {
				return nil, err
			}
			continue
		}
		content, err := os.ReadFile(one.file)
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

func write(out, name string, entrypoint, words []string) error {
	entries, err := parse(words)
	if err != nil {
		return err
	}
	content, err := layer(entries)
	if err != nil {
		return err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{
			"Entrypoint": entrypoint,
			"Env":        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + sum}},
		"history": []any{map[string]string{"created_by": "the lab"}},
	})
	if err != nil {
		return err
	}
	configName := fmt.Sprintf("%x.json", sha256.Sum256(config))
	manifest, err := json.Marshal([]any{map[string]any{"Config": configName, "RepoTags": []string{name}, "Layers": []string{sum + "/layer.tar"}}})
	if err != nil {
		return err
	}
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer file.Close()
	w := tar.NewWriter(file)
	for _, one := range []struct {
		name    string
		content []byte
	}{{configName, config}, {sum + "/layer.tar", content}, {"manifest.json", manifest}} {
		if err := w.WriteHeader(&tar.Header{Name: one.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(one.content))}); err != nil {
			return err
		}
		if _, err := w.Write(one.content); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return file.Sync()
}
