package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // k3s derives its key with it.
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// The bootstrap record (facts 2.2–2.4): authorities and passwords of the cluster, kept encrypted
// in the datastore, so that a server that joins or has lost its files gets them back.

type bootstrapFile struct{ field, path string }

// entry is one file in the record. An entry's time is that of the file on the disk it came from.
type entry struct {
	Timestamp time.Time
	Content   []byte
}

type record map[string]entry

const (
	bootstrapPrefix = "/bootstrap/"
	// slack is how much later a file on disk may be before it counts as newer.
	slack = 3
)

func bootstrapKey(password string) string { return bootstrapPrefix + tokenHash(password) }

// parseRecord reads the plaintext: fields with time and content, or the older form of fields
// with the content alone.
func parseRecord(plaintext []byte) (record, error) {
	var now record
	if err := json.Unmarshal(plaintext, &now); err == nil {
		return now, nil
	}
	var old map[string][]byte
	if err := json.Unmarshal(plaintext, &old); err != nil {
		return nil, err
	}
	log.info("Migrating bootstrap data to new format")
	now = record{}
	for field, content := range old {
		now[field] = entry{Content: content}
	}
	return now, nil
}

func recordCipher(password, salt string) (cipher.AEAD, error) {
	// The hex text is the salt, not the bytes it stands for.
	key, err := pbkdf2.Key(sha1.New, password, []byte(salt), 4096, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// encrypt makes the value of the record: salt, colon, base64 of nonce, ciphertext and tag.
func encrypt(password string, plaintext []byte) ([]byte, error) {
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	salt := hex.EncodeToString(random)
	aead, err := recordCipher(password, salt)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	sealed := aead.Seal(nonce, nonce, plaintext, nil)
	return []byte(salt + ":" + base64.StdEncoding.EncodeToString(sealed)), nil
}

func decrypt(password string, value []byte) ([]byte, error) {
	salt, text, found := strings.Cut(string(value), ":")
	if !found {
		return nil, errors.New("invalid cipher text, not : delimited")
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	aead, err := recordCipher(password, salt)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("invalid cipher text, too short")
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
}

// storedKey is one /bootstrap/ key of a datastore.
type storedKey struct {
	key   string
	value []byte
}

var errNoBootstrap = errors.New("no bootstrap data found in datastore - check server token value and verify datastore integrity")

// pickRecord finds the record of a token among the keys (facts 2.4) and decrypts it. The first
// result is nil when the datastore holds no record at all.
func pickRecord(keys []storedKey, password, given string) ([]byte, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	if len(keys) > 1 {
		log.warning("found multiple bootstrap keys in storage")
	}
	for _, attempt := range []string{password, "", given} {
		for _, one := range keys {
			if one.key != bootstrapKey(attempt) {
				continue
			}
			if len(one.value) == 0 {
				return nil, nil // a lock: the server that took it has not filled it
			}
			return decrypt(attempt, one.value)
		}
	}
	return nil, errors.New("bootstrap data already found and encrypted with different token")
}

// readRecord collects the files of this server into a record.
func readRecord(files []bootstrapFile) (record, error) {
	r := record{}
	for _, file := range files {
		content, err := os.ReadFile(file.path)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(file.path)
		if err != nil {
			return nil, err
		}
		r[file.field] = entry{Timestamp: info.ModTime(), Content: content}
	}
	return r, nil
}

// write puts the record's files on disk, with the record's times.
func (r record) write(files []bootstrapFile) error {
	for _, file := range files {
		one, ok := r[file.field]
		if !ok {
			continue
		}
		if err := writeFile(file.path, one.Content, 0o600); err != nil {
			return err
		}
		if one.Timestamp.IsZero() {
			continue
		}
		if err := os.Chtimes(file.path, one.Timestamp, one.Timestamp); err != nil {
			return err
		}
	}
	return nil
}

// verdict is what comparing one file with the record says.
type verdict int

const (
	same verdict = iota
	missing
	older // differs, and the record wins
	newer // differs, and is later on disk: dangerous
)

// compare is the table of facts 2.4 for one file. at is the file's time on disk.
func compare(content []byte, at time.Time, found bool, stored entry) verdict {
	switch {
	case !found:
		return missing
	case string(content) == string(stored.Content):
		return same
	case at.Unix()-stored.Timestamp.Unix() >= slack:
		return newer
	default:
		return older
	}
}

// reconcile brings the disk in line with the record. With reset the record always wins and the
// old tls folder is kept as tls-<unix>.
func (l layout) reconcile(r record, files []bootstrapFile, reset bool) error {
	if reset {
		log.info("Cluster reset: backing up certificates directory to %s", fmt.Sprintf("%s-%d", l.tls(), time.Now().Unix()))
		if err := os.CopyFS(fmt.Sprintf("%s-%d", l.tls(), time.Now().Unix()), os.DirFS(l.tls())); err != nil {
			return err
		}
		return r.write(files)
	}
	if !exists(l.tls()) {
		return r.write(files) // a server that has nothing yet: nothing to compare
	}
	newerPaths, update := []string{}, false
	for _, file := range files {
		stored, ok := r[file.field]
		if !ok {
			continue
		}
		content, err := os.ReadFile(file.path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		at := time.Time{}
		if info, statErr := os.Stat(file.path); statErr == nil {
			at = info.ModTime()
		}
		switch compare(content, at, err == nil, stored) {
		case same:
		case missing:
			log.warning("%s doesn't exist. continuing...", file.path)
			update = true
		case older:
			log.warning("%s will be updated from the datastore.", file.path)
			update = true
		case newer:
			newerPaths = append(newerPaths, file.path)
		}
	}
	if len(newerPaths) > 0 {
		sort.Strings(newerPaths)
		log.fatal("%s newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.", strings.Join(newerPaths, ", "))
	}
	if !update {
		return nil
	}
	log.warning("Updating bootstrap data on disk from datastore")
	return r.write(files)
}

// reconcileLocal compares with the record in this server's own etcd, read from a copy of the
// database file: etcd itself is not running yet, and its log is not looked at (facts 1.1).
func (s *server) reconcileLocal() error {
	log.info("Reconciling bootstrap data between datastore and disk")
	copied := s.files.db("etcd-tmp")
	defer os.RemoveAll(copied)
	path := filepath.Join(copied, "member", "snap", "db")
	if err := copyFile(s.files.etcd("member", "snap", "db"), path); err != nil {
		return err
	}
	keys, err := readStoredKeys(path)
	if err != nil {
		return err
	}
	return s.useKeys(keys, false)
}

// useKeys reconciles with the record among the keys.
func (s *server) useKeys(keys []storedKey, reset bool) error {
	password, err := normalizeToken(s.token)
	if err != nil {
		return err
	}
	plaintext, err := pickRecord(keys, password, s.token)
	if err != nil {
		return err
	}
	if plaintext == nil {
		return errNoBootstrap
	}
	r, err := parseRecord(plaintext)
	if err != nil {
		return err
	}
	return s.files.reconcile(r, s.files.bootstrapFiles(s.encryption()), reset)
}

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	content, err := os.Open(from)
	if err != nil {
		return err
	}
	defer content.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := out.ReadFrom(content); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
