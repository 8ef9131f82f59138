package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Facts 3.1: who may ask what.
func TestRolesOfTheSupervisor(t *testing.T) {
	s := testServer(t)
	if err := writeFile(s.files.cred("passwd"), passwd{node: "agents", server: "servers"}.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	v := &supervisor{s: s, proxy: &apiProxy{s: s}}
	for _, one := range []struct {
		role, user, password string
		want                 int
	}{
		{"server", "server", "servers", 200}, {"server", "server", "agents", 401}, {"server", "node", "agents", 401},
		{"server", "node", "servers", 401}, {"server", "", "", 401}, {"node", "node", "agents", 200}, {"node", "server", "servers", 200},
		{"node", "node", "wrong", 401}, {"node", "node", "", 401},
	} {
		request := httptest.NewRequest(http.MethodGet, "/v1-k3s/config", nil)
		request.SetBasicAuth(one.user, one.password)
		got := httptest.NewRecorder()
		captured(t, func() {
			v.only(one.role, func(http.ResponseWriter, *http.Request) {}).ServeHTTP(got, request)
		})
		if got.Code != one.want {
			t.Errorf("%+v: %d", one, got.Code)
		}
	}
}

// Facts 7.1 and 3.1: answers before the control plane is there.
func TestAnswersBeforeTheControlPlane(t *testing.T) {
	s := testServer(t)
	if err := writeFile(s.files.cred("passwd"), passwd{node: "a", server: "b"}.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	v := &supervisor{s: s}
	v.proxy = &apiProxy{s: s}
	for path, want := range map[string]string{"/ping": "200 pong", "/readyz": "503", "/v1-k3s/readyz": "503"} {
		request := httptest.NewRequest(http.MethodGet, path, nil)
		request.SetBasicAuth("node", "a")
		got := httptest.NewRecorder()
		captured(t, func() { v.handler().ServeHTTP(got, request) })
		text := http.StatusText(got.Code)
		if got.Code == 200 && want != "200 "+got.Body.String() || got.Code != 200 && want != "503" {
			t.Errorf("%s: %d %s %s", path, got.Code, text, got.Body)
		}
	}
}

// Recorded: the annotation of ::1 in k3s-real-healthy-join.
func TestTheAnnotationOfAName(t *testing.T) {
	for name, want := range map[string]string{
		"::1": "listener.cattle.io/cn-__1-f16284", "n1": "listener.cattle.io/cn-n1",
		"kubernetes.default.svc.cluster.local": "listener.cattle.io/cn-kubernetes.default.svc.cluster.local",
	} {
		if got := cnKey(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// The front-proxy headers may only come from us: whoever could send them would be anybody.
func TestForgedFrontProxyHeadersAreRemoved(t *testing.T) {
	in := httptest.NewRequest(http.MethodGet, "/api", nil)
	out := in.Clone(in.Context())
	for _, name := range []string{"X-Remote-User", "x-remote-group", "X-Remote-Extra-Scopes", "X-Remote-Uid"} {
		out.Header[http.CanonicalHeaderKey(name)] = []string{"system:masters"}
	}
	out.Header["x-REMOTE-user"] = []string{"system:admin"} // not canonical
	out.Header.Set("Authorization", "Bearer x")
	(&apiProxy{}).introduce(in, out)
	if len(out.Header) != 1 || out.Header.Get("Authorization") != "Bearer x" {
		t.Fatal(out.Header)
	}
}
