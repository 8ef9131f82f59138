package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func aLab(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	text := `{"token":"secret","binds":[["/from","/to"]],"seats":[
		{"name":"n1","host":"k3d-lab-server-0","address":"198.51.100.11","role":"server"},
		{"name":"n2","host":"k3d-lab-agent-0","address":"198.51.100.12","role":"agent"}]}`
	if err := os.WriteFile(filepath.Join(dir, "nodes.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	opened, err := openLab(dir)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func TestAContainerIsFoundByNameIdAndTheBeginningOfOne(t *testing.T) {
	served := &engine{lab: aLab(t)}
	nodes := served.lab.nodes()
	for name, wanted := range map[string]string{
		"k3d-lab-agent-0": "n2", "/k3d-lab-agent-0": "n2", nodes[0].id: "n1", nodes[0].id[:12]: "n1",
		"n1": "", "k3d-lab": "", "": "",
	} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.SetPathValue("name", name)
		found, err := served.find(request)
		var known *apiError
		switch {
		case wanted == "" && (!errors.As(err, &known) || known.message != "No such container: "+name):
			t.Errorf("%q: %v", name, err)
		case wanted != "" && (err != nil || found.Name != wanted):
			t.Errorf("%q: %v %v", name, found, err)
		}
	}
}

func TestAnEngineSaysWhatItDoesNotHave(t *testing.T) {
	served := (&engine{lab: aLab(t)}).routes()
	for path, wanted := range map[string]int{
		"/_ping": 200, "/v1.47/version": 200, "/v1.24/images/x/json": 404, "/v1.47/swarm": 501,
		"/v1.47/exec/none/json": 404, "/v1.47/containers/json?filters={": 400,
	} {
		answered := httptest.NewRecorder()
		served.ServeHTTP(answered, httptest.NewRequest(http.MethodGet, strings.ReplaceAll(path, "{", "%7B"), nil))
		if answered.Code != wanted {
			t.Errorf("%s: %d %s", path, answered.Code, answered.Body)
		}
	}
}

func TestFiltersAreJoined(t *testing.T) {
	one := aLab(t).nodes()[1]
	off := state{started: time.Now(), finished: time.Now()}
	for _, passing := range []map[string]map[string]bool{
		nil,
		{"label": {"k3d.role=agent": true, "app": true}},
		{"name": {"server": true, "agent": true}},
		{"status": {"exited": true}, "network": {"k3d-lab": true}, "id": {one.id[:6]: true}},
	} {
		if !passes(passing, one, off) {
			t.Errorf("%v", passing)
		}
	}
	for _, failing := range []map[string]map[string]bool{
		{"label": {"k3d.role=server": true, "app": true}},
		{"name": {"server": true}},
		{"status": {"running": true}},
		{"label": {"none": true}},
	} {
		if passes(failing, one, off) {
			t.Errorf("%v", failing)
		}
	}
}

func TestTimesAreToldAsAnEngineTellsThem(t *testing.T) {
	for passed, wanted := range map[time.Duration]string{
		0: "Less than a second", 1200 * time.Millisecond: "1 second", 45 * time.Second: "45 seconds",
		70 * time.Second: "About a minute", 5 * time.Minute: "5 minutes", 61 * time.Minute: "About an hour",
		5 * time.Hour: "5 hours", 72 * time.Hour: "3 days",
	} {
		if said := ago(time.Now().Add(-passed)); said != wanted {
			t.Errorf("%v: %s", passed, said)
		}
	}
}

func TestOutputsAreFramed(t *testing.T) {
	var stream bytes.Buffer
	both := &frames{to: &stream}
	_, _ = both.of(standardOutput).Write([]byte("ab"))
	_, _ = both.of(standardError).Write([]byte("c"))
	if stream.String() != "\x01\x00\x00\x00\x00\x00\x00\x02ab\x02\x00\x00\x00\x00\x00\x00\x01c" {
		t.Fatalf("%q", stream.String())
	}
}

func TestAJournalsEntriesBecomeLines(t *testing.T) {
	entries := `{"__REALTIME_TIMESTAMP":"1700000000000001","_SYSTEMD_UNIT":"k3s.service","MESSAGE":"one"}
no entry
{"__REALTIME_TIMESTAMP":"1700000000000002","_SYSTEMD_UNIT":"k3s-agent.service","MESSAGE":[116,255]}
`
	var out bytes.Buffer
	copyJournal(&out, strings.NewReader(entries), true, func() {})
	if out.String() != "2023-11-14T22:13:20.000001000Z one\n2023-11-14T22:13:20.000002000Z t\xff\n" {
		t.Fatalf("%q", out.String())
	}
}

func TestSignalsHaveNamesAndNumbers(t *testing.T) {
	for name, wanted := range map[string]int{"": 9, "TERM": 15, "sigterm": 15, "37": 37} {
		if number, err := signal(name); err != nil || int(number) != wanted {
			t.Errorf("%q: %v %v", name, number, err)
		}
	}
	for _, name := range []string{"NONE", "65", "-1"} {
		if _, err := signal(name); err == nil {
			t.Errorf("%q is none", name)
		}
	}
}
