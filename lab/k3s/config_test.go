package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func configured(t *testing.T, files map[string]string, args ...string) *options {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("LAB_ETC", folder)
	for name, content := range files {
		if err := writeFile(filepath.Join(folder, "k3s", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o, err := parseOptions(serverFlags, args)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Facts 1.3: files in the order of their names, the last wins, a key with + appends.
func TestConfigFilesAreMerged(t *testing.T) {
	o := configured(t, map[string]string{
		"config.yaml":          "token: first\ntls-san: [a]\ncluster-init: true\nhttps-listen-port: 7443\n",
		"config.yaml.d/1.yaml": "token: second\ntls-san+: [b, c]\n",
		"config.yaml.d/2.yml":  "token: third\n",
		"config.yaml.d/3.txt":  "token: never\n",
	})
	if got := o.text("token"); got != "third" {
		t.Error(got)
	}
	if got := o.all("tls-san"); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Error(got)
	}
	if !o.on("cluster-init") || o.text("https-listen-port") != "7443" {
		t.Error(o.values)
	}
}

// Facts 1.3: a flag beats the file, the file beats the environment.
func TestFlagFileEnvironment(t *testing.T) {
	t.Setenv("K3S_TOKEN", "environment")
	t.Setenv("K3S_URL", "https://environment:6443")
	files := map[string]string{"config.yaml": "token: file\n"}
	if got := configured(t, files).text("token"); got != "file" {
		t.Error(got)
	}
	o := configured(t, files, "-t", "line", "--disable-agent=false", "--tls-san", "x", "--tls-san=y")
	if o.text("token") != "line" || o.text("server") != "https://environment:6443" || o.on("disable-agent") {
		t.Error(o.values)
	}
	if got := o.all("tls-san"); !slices.Equal(got, []string{"x", "y"}) {
		t.Error(got)
	}
}

// Facts 6.1, K66: an unknown key is skipped, an unknown flag is not.
func TestUnknownKeysAndFlags(t *testing.T) {
	o := configured(t, map[string]string{"config.yaml": "cluster-initt: true\n"})
	if !slices.Equal(o.unknown, []string{"cluster-initt"}) {
		t.Error(o.unknown)
	}
	_, err := parseOptions(serverFlags, []string{"--cluster-initt"})
	wantError(t, err, "flag provided but not defined: -cluster-initt")
}

// Facts 1.3: another file by --config or K3S_CONFIG_FILE.
func TestAnotherConfigFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(path, []byte("token: other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := configured(t, nil, "--config", path).text("token"); got != "other" {
		t.Error(got)
	}
	t.Setenv("K3S_CONFIG_FILE", path)
	if got := configured(t, nil).text("token"); got != "other" {
		t.Error(got)
	}
}

// K3s' own arguments against the user's: the later wins, `+=` adds, `-=` takes away.
func TestComponentArguments(t *testing.T) {
	got := withExtra(map[string]string{"a": "1", "b": "2", "c": "3"}, []string{"a=9", "c-=", "b+=4", "--d"})
	if want := []string{"--a=9", "--b=2", "--b=4", "--d=true"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
