package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// captured runs f and gives what it logged.
func captured(t *testing.T, f func()) string {
	t.Helper()
	var out bytes.Buffer
	log.mu.Lock()
	before := log.out
	log.out = &out
	log.mu.Unlock()
	defer func() {
		log.mu.Lock()
		log.out = before
		log.mu.Unlock()
	}()
	f()
	return out.String()
}

// Facts 2.2. Key and value were made with Python's hashlib and cryptography, not with this code.
const (
	knownPassword = "lab-password"
	knownHash     = "f3de9dd75ddd"
	knownValue    = "0123456789abcdef:AAECAwQFBgcICQoLfE9pWq8XIBam9rP65gx7YLsGUdLeS5ieJZiqkjqgEgav4Bb3F51L1kp/8tFUDdKNy2lsSraHXFwAX4Os9KsoRhh1zZ27AT+1ekUM1al1QfmijZHRuAw="
	knownPlain    = `{"ServerCA":{"Timestamp":"2026-11-21T09:57:44Z","Content":"Y2VydA=="}}`
)

func TestTheRecordsKeyIsTwelveHexOfThePassword(t *testing.T) {
	if got := bootstrapKey(knownPassword); got != "/bootstrap/"+knownHash {
		t.Fatal(got)
	}
}

func TestAKnownRecordIsDecrypted(t *testing.T) {
	plain, err := decrypt(knownPassword, []byte(knownValue))
	if err != nil || string(plain) != knownPlain {
		t.Fatalf("%s %v", plain, err)
	}
	r, err := parseRecord(plain)
	if err != nil || string(r["ServerCA"].Content) != "cert" || r["ServerCA"].Timestamp.Unix() != 1795255064 {
		t.Fatalf("%v %v", r, err)
	}
}

func TestEncryptAndDecryptFitAndAWrongPasswordIsNamed(t *testing.T) {
	value, err := encrypt("a", []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	salt, _, _ := strings.Cut(string(value), ":")
	if len(salt) != 16 {
		t.Fatalf("salt %q", salt)
	}
	if plain, err := decrypt("a", value); err != nil || string(plain) != "text" {
		t.Fatalf("%s %v", plain, err)
	}
	_, err = decrypt("b", value)
	wantError(t, err, "cipher: message authentication failed")
	_, err = decrypt("a", []byte("nothing"))
	wantError(t, err, "invalid cipher text, not : delimited")
}

// Facts 2.2: the older form of the record.
func TestTheOlderRecordIsRead(t *testing.T) {
	captured(t, func() {
		r, err := parseRecord([]byte(`{"ServerCA":"Y2VydA=="}`))
		if err != nil || string(r["ServerCA"].Content) != "cert" {
			t.Fatalf("%v %v", r, err)
		}
	})
}

// Facts 2.4, first table: disk against datastore.
func TestDiskAgainstDatastore(t *testing.T) {
	stored := entry{Timestamp: time.Unix(1000, 999_000_000), Content: []byte("a")}
	for _, one := range []struct {
		name    string
		content string
		at      time.Time
		found   bool
		want    verdict
	}{
		{"missing", "", time.Time{}, false, missing},
		{"equal, whatever the time", "a", time.Unix(9999, 0), true, same},
		{"differs and older", "b", time.Unix(10, 0), true, older},
		{"differs, two seconds later", "b", time.Unix(1002, 999_999_999), true, older},
		{"differs, three whole seconds later", "b", time.Unix(1003, 0), true, newer},
	} {
		if got := compare([]byte(one.content), one.at, one.found, stored); got != one.want {
			t.Errorf("%s: %v", one.name, got)
		}
	}
}

func seeded(t *testing.T) (*server, record) {
	t.Helper()
	s := testServer(t, "--token", "a")
	for _, file := range s.files.bootstrapFiles(false) {
		if err := writeFile(file.path, []byte(file.field), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := readRecord(s.files.bootstrapFiles(false))
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

// Facts 2.3: thirteen fields, fifteen with secrets encryption.
func TestTheRecordHasThirteenFields(t *testing.T) {
	s, r := seeded(t)
	if len(r) != 13 || len(s.files.bootstrapFiles(true)) != 15 {
		t.Fatal(len(r))
	}
}

// Facts 2.4: what is missing or older comes back with the record's time and mode 0600.
func TestMissingAndOlderFilesComeBack(t *testing.T) {
	s, r := seeded(t)
	ca, key := s.files.tls("etcd", "peer-ca.crt"), s.files.tls("service.key")
	_ = os.Remove(key)
	if err := os.WriteFile(ca, []byte("another generation"), 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Unix(1, 0)
	_ = os.Chtimes(ca, old, old)
	text := captured(t, func() {
		if err := s.files.reconcile(r, s.files.bootstrapFiles(false), false); err != nil {
			t.Fatal(err)
		}
	})
	for _, want := range []string{
		ca + " will be updated from the datastore.", key + " doesn't exist. continuing...", "Updating bootstrap data on disk from datastore",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for field, path := range map[string]string{"ETCDPeerCA": ca, "ServiceKey": key} {
		content, _ := os.ReadFile(path)
		info, err := os.Stat(path)
		if err != nil || string(content) != field || info.Mode().Perm() != 0o600 || !info.ModTime().Equal(r[field].Timestamp) {
			t.Errorf("%s: %q %v", path, content, info)
		}
	}
}

// Facts 2.4: with a reset the record wins over a newer file, and the old folder is kept.
func TestAResetTakesTheRecord(t *testing.T) {
	s, r := seeded(t)
	ca := s.files.tls("server-ca.crt")
	if err := os.WriteFile(ca, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	late := time.Now().Add(time.Hour)
	_ = os.Chtimes(ca, late, late)
	captured(t, func() {
		if err := s.files.reconcile(r, s.files.bootstrapFiles(false), true); err != nil {
			t.Fatal(err)
		}
	})
	content, _ := os.ReadFile(ca)
	kept, _ := filepath.Glob(s.files.server("tls-*"))
	if string(content) != "ServerCA" || len(kept) != 1 {
		t.Fatalf("%q %v", content, kept)
	}
	if old, _ := os.ReadFile(filepath.Join(kept[0], "server-ca.crt")); string(old) != "new" {
		t.Fatalf("%q", old)
	}
}

// Facts 2.4, key lookup.
func TestWhichRecordIsTaken(t *testing.T) {
	value := func(password string) []byte {
		v, err := encrypt(password, []byte("of "+password))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	pick := func(keys []storedKey) (got string, text string, err error) {
		text = captured(t, func() {
			var plain []byte
			plain, err = pickRecord(keys, "a", "K10x::server:a")
			got = string(plain)
		})
		return got, text, err
	}
	own, other := storedKey{bootstrapKey("a"), value("a")}, storedKey{bootstrapKey("b"), value("b")}
	if got, _, err := pick([]storedKey{own}); err != nil || got != "of a" {
		t.Error(got, err)
	}
	_, _, err := pick([]storedKey{other})
	wantError(t, err, "bootstrap data already found and encrypted with different token")
	if got, text, err := pick([]storedKey{other, own}); err != nil || got != "of a" || !strings.Contains(text, "found multiple bootstrap keys in storage") {
		t.Error(got, text, err)
	}
	if got, _, err := pick([]storedKey{{bootstrapKey("K10x::server:a"), value("K10x::server:a")}}); err != nil || !strings.HasPrefix(got, "of K10x") {
		t.Error(got, err)
	}
	if got, _, err := pick([]storedKey{{bootstrapKey("a"), nil}}); err != nil || got != "" {
		t.Error("a lock was taken for a record", got, err)
	}
	if got, _, err := pick(nil); err != nil || got != "" {
		t.Error(got, err)
	}
}

// Facts 5.2 and 2.2: the record is read from the database file, the newest revision counts, a
// tombstone takes it away. Section 9: a database without it ends the start.
func TestTheRecordIsReadFromTheDatabaseFile(t *testing.T) {
	s, r := seeded(t)
	plain, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	stale, _ := encrypt("a", []byte("{}"))
	fresh, _ := encrypt("a", plain)
	path := s.files.etcd("member", "snap", "db")
	put := func(main byte, dead bool, value []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		revision := append([]byte{0, 0, 0, 0, 0, 0, 0, main, '_'}, 0, 0, 0, 0, 0, 0, 0, 0)
		if dead {
			revision = append(revision, 't')
		}
		kv := mvccpb.KeyValue{Key: []byte(bootstrapKey("a")), Value: value}
		encoded, _ := kv.Marshal()
		if err := db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("key"))
			if err != nil {
				return err
			}
			return bucket.Put(revision, encoded)
		}); err != nil {
			t.Fatal(err)
		}
	}
	put(2, false, stale)
	put(3, false, fresh)
	_ = os.Remove(s.files.tls("service.key"))
	text := captured(t, func() { err = s.reconcileLocal() })
	if err != nil || !exists(s.files.tls("service.key")) || exists(s.files.db("etcd-tmp")) {
		t.Fatal(err)
	}
	if !strings.Contains(text, "Opening etcd MVCC KV backend database at "+s.files.db("etcd-tmp", "member", "snap", "db")) {
		t.Error(text)
	}
	put(4, true, nil)
	captured(t, func() { err = s.reconcileLocal() })
	wantError(t, err, "no bootstrap data found in datastore - check server token value and verify datastore integrity")
}

func TestMain(m *testing.M) {
	if address := os.Getenv("LAB_HOLD"); address != "" {
		holdPort(address)
		return
	}
	log.out = io.Discard
	os.Exit(m.Run())
}
