package main

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Snapshots (facts 3.7, 3.8): `<base>-<node>-<unix>`, taken from the node's own etcd.

type snapshotRequest struct {
	Operation string   `json:"operation"`
	Name      []string `json:"name,omitempty"`
	Dir       *string  `json:"dir,omitempty"`
	Compress  *bool    `json:"compress,omitempty"`
	Retention *int     `json:"retention,omitempty"`
}

type snapshotFile struct {
	Name      string    `json:"name"`
	Location  string    `json:"location"`
	NodeName  string    `json:"nodeName"`
	Size      int64     `json:"size"`
	CreatedAt time.Time `json:"createdAt"`
	Status    string    `json:"status"`
}

type snapshotResult struct {
	Created []string       `json:"created,omitempty"`
	Deleted []string       `json:"deleted,omitempty"`
	Files   []snapshotFile `json:"files,omitempty"`
}

func (s *server) snapshotFolder() string {
	if folder := s.options.text("etcd-snapshot-dir"); folder != "" {
		return folder
	}
	return s.files.snapshots()
}

func (v *supervisor) snapshot(w http.ResponseWriter, r *http.Request) {
	if v.s.etcd.sqlite {
		refuse(w, r, http.StatusBadRequest, errors.New("etcd datastore disabled"))
		return
	}
	var wanted snapshotRequest
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&wanted) != nil {
		refuse(w, r, http.StatusBadRequest, errors.New("invalid snapshot request"))
		return
	}
	result, err := v.s.snapshotOperation(r.Context(), wanted)
	if err != nil {
		log.error("Error in snapshot %s: %v", wanted.Operation, err)
		refuse(w, r, http.StatusInternalServerError, fmt.Errorf("%w; see server log for details", err))
		return
	}
	answer(w, result)
}

func (s *server) snapshotOperation(ctx context.Context, wanted snapshotRequest) (*snapshotResult, error) {
	folder := s.snapshotFolder()
	if wanted.Dir != nil && *wanted.Dir != "" {
		folder = *wanted.Dir
	}
	base := "on-demand"
	if len(wanted.Name) > 0 && wanted.Name[0] != "" {
		base = wanted.Name[0]
	}
	switch wanted.Operation {
	case "save":
		name, err := s.saveSnapshot(ctx, folder, base, wanted.Compress != nil && *wanted.Compress || wanted.Compress == nil && s.options.on("etcd-snapshot-compress"))
		if err != nil {
			return nil, err
		}
		if s.coreReady.Load() {
			s.reconcileSnapshots(ctx)
		}
		return &snapshotResult{Created: []string{name}}, nil
	case "list":
		files, err := s.listSnapshots(folder)
		return &snapshotResult{Files: files}, err
	case "prune":
		keep, _ := strconv.Atoi(s.options.text("etcd-snapshot-retention"))
		if wanted.Retention != nil {
			keep = *wanted.Retention
		}
		deleted, err := s.prune(folder, base, keep)
		return &snapshotResult{Deleted: deleted}, err
	case "delete":
		result := &snapshotResult{}
		for _, name := range wanted.Name {
			if err := os.Remove(filepath.Join(folder, filepath.Base(name))); err != nil {
				if errors.Is(err, os.ErrNotExist) {
					continue
				}
				return nil, err
			}
			result.Deleted = append(result.Deleted, name)
		}
		return result, nil
	}
	return nil, fmt.Errorf("unknown snapshot operation %q", wanted.Operation)
}

// saveSnapshot streams the database into `<name>.part` and renames it when it is whole.
func (s *server) saveSnapshot(ctx context.Context, folder, base string, compress bool) (string, error) {
	if folder == s.files.snapshots() {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return "", err
		}
	}
	status, err := s.etcd.status(ctx)
	if err != nil {
		return "", fmt.Errorf("failed to check etcd status for snapshot: %w", err)
	}
	if status.IsLearner {
		return "", errors.New("Unable to take snapshot: not supported for learner") //nolint:staticcheck // k3s' words
	}
	name := fmt.Sprintf("%s-%s-%d", base, s.node, time.Now().Unix())
	path := filepath.Join(folder, name)
	log.info("Saving etcd snapshot to %s", path)
	client, err := s.etcd.local()
	if err != nil {
		return "", err
	}
	stream, err := client.Snapshot(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	file, err := os.OpenFile(path+".part", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer os.Remove(path + ".part")
	defer file.Close()
	if _, err := io.Copy(file, stream); err != nil {
		return "", err
	}
	if err := file.Sync(); err != nil {
		return "", err
	}
	if !compress {
		return name, os.Rename(path+".part", path)
	}
	log.info("Compressing etcd snapshot file: %s", name)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	return name + ".zip", zipFile(file, path+".zip", name)
}

func zipFile(from io.Reader, path, name string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	z := zip.NewWriter(out)
	entry, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Now()})
	if err != nil {
		return err
	}
	if _, err := io.Copy(entry, from); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return out.Sync()
}

// unzip unpacks a snapshot beside its archive; the archive must hold exactly one file.
func (s *server) unzip(path string) (string, error) {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return "", err
	}
	defer archive.Close()
	if len(archive.File) != 1 {
		return "", errors.New("unexpected compressed etcd snapshot contents")
	}
	in, err := archive.File[0].Open()
	if err != nil {
		return "", err
	}
	defer in.Close()
	plain := strings.TrimSuffix(path, ".zip")
	out, err := os.OpenFile(plain, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer out.Close()
	_, err = io.Copy(out, in) //nolint:gosec // the lab's own snapshots
	return plain, err
}

func (s *server) listSnapshots(folder string) ([]snapshotFile, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	files := []snapshotFile{}
	for _, one := range entries {
		info, infoErr := one.Info()
		if infoErr != nil || one.IsDir() || strings.HasSuffix(one.Name(), ".part") {
			continue
		}
		created := info.ModTime()
		plain := strings.TrimSuffix(one.Name(), ".zip")
		if stamp, parseErr := strconv.ParseInt(plain[strings.LastIndex(plain, "-")+1:], 10, 64); parseErr == nil {
			created = time.Unix(stamp, 0)
		}
		files = append(files, snapshotFile{
			Name: one.Name(), Location: "file://" + filepath.Join(folder, one.Name()), NodeName: s.node,
			Size: info.Size(), CreatedAt: created.UTC(), Status: "successful",
		})
	}
	return files, err
}

// prune keeps the newest snapshots of this node and base.
func (s *server) prune(folder, base string, keep int) ([]string, error) {
	files, err := s.listSnapshots(folder)
	if err != nil || keep < 1 {
		return nil, err
	}
	prefix := base + "-" + s.node + "-"
	log.info("Applying snapshot retention=%d to local snapshots with prefix %s in %s", keep, strings.TrimSuffix(prefix, "-"), folder)
	own := []snapshotFile{}
	for _, one := range files {
		if strings.HasPrefix(one.Name, prefix) {
			own = append(own, one)
		}
	}
	sort.Slice(own, func(i, j int) bool { return own[i].CreatedAt.After(own[j].CreatedAt) })
	deleted := []string{}
	for _, one := range own[min(keep, len(own)):] {
		if err := os.Remove(filepath.Join(folder, one.Name)); err != nil {
			return deleted, err
		}
		deleted = append(deleted, one.Name)
	}
	return deleted, nil
}
