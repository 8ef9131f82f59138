package main

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Facts, section 0, and the recordings: logrus' text form.
func TestTheLogsForm(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 57, 45, 816, time.UTC)
	for _, one := range []struct {
		message string
		fields  []field
		want    string
	}{
		{"start", nil, `time="2026-11-21T09:57:45Z" level=info msg=start` + "\n"},
		{"Run: k3s kubectl", nil, `time="2026-11-21T09:57:45Z" level=info msg="Run: k3s kubectl"` + "\n"},
		{`failed ("")`, nil, `time="2026-11-21T09:57:45Z" level=info msg="failed (\"\")"` + "\n"},
		{"Successfully acquired lease", []field{{"lock", "kube-system/k3s-etcd"}, {"logger", "k3s"}},
			`time="2026-11-21T09:57:45Z" level=info msg="Successfully acquired lease" lock=kube-system/k3s-etcd logger=k3s` + "\n"},
		{"Event occurred", []field{{"apiVersion", ""}}, `time="2026-11-21T09:57:45Z" level=info msg="Event occurred" apiVersion=` + "\n"},
	} {
		if got := format(at, "info", one.message, one.fields...); got != one.want {
			t.Errorf("%s", got)
		}
	}
}

// Facts 3.7: every twelve hours.
func TestTheSnapshotSchedule(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 57, 45, 0, time.UTC)
	for text, want := range map[string]string{
		"0 */12 * * *": "2026-11-21T12:00:00Z", "*/5 * * * *": "2026-11-21T10:00:00Z", "30 1,4 * * *": "2026-11-22T01:30:00Z",
		"0 0 1 1 *": "2027-01-01T00:00:00Z", "15 10-12 * * 0": "2026-11-22T10:15:00Z",
	} {
		c, err := parseCron(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.after(at).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	for _, bad := range []string{"", "* * * *", "61 * * * *", "x * * * *", "*/0 * * * *"} {
		if _, err := parseCron(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// Facts 3.7: retention counts this node's snapshots of one base.
func TestRetention(t *testing.T) {
	s := testServer(t)
	folder := t.TempDir()
	for i := range 4 {
		for _, name := range []string{"etcd-snapshot-n7-", "on-demand-n7-", "etcd-snapshot-n8-"} {
			if err := os.WriteFile(filepath.Join(folder, name+strconv.Itoa(1000+i)), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	deleted, err := s.prune(folder, "etcd-snapshot", 3)
	if err != nil || len(deleted) != 1 || deleted[0] != "etcd-snapshot-n7-1000" {
		t.Fatal(deleted, err)
	}
	if left, _ := s.listSnapshots(folder); len(left) != 11 {
		t.Fatal(len(left))
	}
}

// Facts 3.8, K45: a compressed snapshot is one deflate entry with the plain name.
func TestAZippedSnapshot(t *testing.T) {
	s := testServer(t)
	folder := t.TempDir()
	path := filepath.Join(folder, "a-n7-1.zip")
	if err := zipFile(strings.NewReader("data"), path, "a-n7-1"); err != nil {
		t.Fatal(err)
	}
	plain, err := s.unzip(path)
	if err != nil || plain != filepath.Join(folder, "a-n7-1") {
		t.Fatal(plain, err)
	}
	if content, _ := os.ReadFile(plain); string(content) != "data" {
		t.Fatalf("%s", content)
	}
}

// Facts 2.5: the words of `certificate check`, and what is renewed at a start.
func TestStatesOfACertificate(t *testing.T) {
	now := time.Now()
	day := 24 * time.Hour
	for _, one := range []struct {
		from, to time.Duration
		want     string
	}{
		{-day, 365 * day, "OK"}, {-day, 119 * day, "WARNING"}, {-2 * day, -day, "EXPIRED"}, {day, 300 * day, "NOT YET VALID"},
	} {
		if got := certificateState(&x509.Certificate{NotBefore: now.Add(one.from), NotAfter: now.Add(one.to)}, now); got != one.want {
			t.Errorf("%+v: %s", one, got)
		}
	}
}

// Facts 1.1, 2.5: names of the authorities, ten years and one year; a leaf is made again when its
// authority changes, and only then.
func TestAuthoritiesAndLeaves(t *testing.T) {
	s := testServer(t)
	if _, err := s.files.ensurePKI(s.hosts); err != nil {
		t.Fatal(err)
	}
	for path, name := range map[string]string{
		"server-ca": "k3s-server-ca@", "client-ca": "k3s-client-ca@", "request-header-ca": "k3s-request-header-ca@",
		"etcd/server-ca": "etcd-server-ca@", "etcd/peer-ca": "etcd-peer-ca@",
	} {
		a, err := readAuthority(s.files.tls(path))
		if err != nil || !strings.HasPrefix(a.certificate.Subject.CommonName, name) || a.certificate.NotAfter.Sub(a.certificate.NotBefore) != caLife {
			t.Errorf("%s: %v %v", path, a, err)
		}
	}
	read := func(name string) string { content, _ := os.ReadFile(s.files.tls(name)); return string(content) }
	peer, admin := read("etcd/peer-server-client.crt"), read("client-admin.crt")
	if _, err := s.files.ensurePKI(s.hosts); err != nil || read("etcd/peer-server-client.crt") != peer {
		t.Fatal("a good leaf was made again", err)
	}
	if err := makeAuthority("etcd-peer-ca", s.files.tls("etcd", "peer-ca")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.files.ensurePKI(s.hosts); err != nil || read("etcd/peer-server-client.crt") == peer || read("client-admin.crt") != admin {
		t.Fatal("the leaf of the new authority was not made again, or another was", err)
	}
	chain, err := certificates([]byte(admin))
	if err != nil || len(chain) != 2 || chain[0].NotAfter.Sub(chain[0].NotBefore) != 365*24*time.Hour {
		t.Fatal(len(chain), err)
	}
	if left := read("server-ca.nochain.crt"); left != read("server-ca.crt") {
		t.Error("nochain of a single certificate differs")
	}
}

// Facts 2.5: short-lived leaves, for tests of their end.
func TestShortLivedLeaves(t *testing.T) {
	t.Setenv("CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS", "2")
	s := testServer(t)
	all, err := s.files.ensurePKI(s.hosts)
	if err != nil {
		t.Fatal(err)
	}
	content, _ := os.ReadFile(s.files.tls("client-admin.crt"))
	chain, _ := certificates(content)
	if life := chain[0].NotAfter.Sub(chain[0].NotBefore); life != 48*time.Hour || all.client == nil {
		t.Fatal(life)
	}
}

// A leaf that was made while the clock was ahead is made again once it is right.
func TestALeafOfTheFutureIsMadeAgain(t *testing.T) {
	s := testServer(t)
	if _, err := s.files.ensurePKI(s.hosts); err != nil {
		t.Fatal(err)
	}
	authority, err := readAuthority(s.files.tls("client-ca"))
	if err != nil {
		t.Fatal(err)
	}
	path := s.files.tls("client-admin.crt")
	key, err := keyFile(s.files.tls("client-admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	from := time.Now().AddDate(2, 0, 0)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "system:admin"},
		NotBefore: from, NotAfter: from.AddDate(1, 0, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority.certificate, key.Public(), authority.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(certificatePEM(der), authority.pem...), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.files.ensurePKI(s.hosts); err != nil {
		t.Fatal(err)
	}
	content, _ := os.ReadFile(path)
	chain, err := certificates(content)
	if err != nil || chain[0].NotBefore.After(time.Now()) {
		t.Fatal("it was left as it is", err)
	}
}

// A part must not report to systemd in our place.
func TestPartsDoNotKnowSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/run/x")
	t.Setenv("K3S_TOKEN", "secret")
	t.Setenv("LAB_KEPT", "yes")
	got := strings.Join(ownEnvironment(), "\n")
	if strings.Contains(got, "NOTIFY_SOCKET") || strings.Contains(got, "K3S_TOKEN") || !strings.Contains(got, "LAB_KEPT=yes") {
		t.Fatal(got)
	}
}

// Facts 3.7: the name of a snapshot's record.
func TestTheNameOfASnapshotsRecord(t *testing.T) {
	one := snapshotFile{Name: "On-Demand-n1-1795345751", NodeName: "n1", Location: "file:///x/On-Demand-n1-1795345751"}
	// printf %s n1file:///x/On-Demand-n1-1795345751 | sha256sum
	if got := recordName(one); got != "local-on-demand-n1-1795345751-8b6d09" {
		t.Fatal(got)
	}
}
