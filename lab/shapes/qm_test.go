package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func parsed(t *testing.T, name string, words ...string) call {
	t.Helper()
	made, err := parse(verbs()[name], words)
	if err != nil {
		t.Fatalf("%s %q: %v", name, words, err)
	}
	return made
}

func TestFlagsStandAnywhereBeforeTheTwoDashes(t *testing.T) {
	made := parsed(t, "guest exec", "--timeout", "5", "101", "-pass-stdin", "1", "--synchronous=off", "--", "ls", "-l", "--timeout", "9")
	if made.vmid != "101" || made.flags["timeout"] != "5" || made.flags["pass-stdin"] != "1" || made.flags["synchronous"] != "0" {
		t.Fatalf("%+v", made)
	}
	if strings.Join(made.rest, " ") != "ls -l --timeout 9" {
		t.Fatalf("%q", made.rest)
	}
	// A truth value may stand alone, and takes no word that is none.
	made = parsed(t, "guest exec", "101", "--pass-stdin", "cat")
	if made.flags["pass-stdin"] != "1" || len(made.rest) != 1 {
		t.Fatalf("%+v", made)
	}
	made = parsed(t, "set", "101", "--scsi12", "local:8", "-delete", "scsi1,ide2")
	if made.flags["scsi12"] != "local:8" || made.flags["delete"] != "scsi1,ide2" {
		t.Fatalf("%+v", made)
	}
}

func TestWrongArgumentsAreAnsweredWithTheUsage(t *testing.T) {
	for words, wanted := range map[string]string{
		"config":                     "400 not enough arguments\nqm config <vmid> [OPTIONS]",
		"config one":                 "400 Parameter verification failed.\nvmid: type check ('integer') failed - got 'one'\nqm config <vmid> [OPTIONS]",
		"set 101 --scsi x":           "Unknown option: scsi\n400 unable to parse option\nqm set <vmid> [OPTIONS]",
		"start 101 102":              "400 too many arguments\nqm start <vmid> [OPTIONS]",
		"guest exec 101 ls -l":       "Unknown option: l\n400 unable to parse option\nqm guest exec <vmid> [<extra-args>] [OPTIONS]",
		"guest exec-status 101":      "400 not enough arguments\nqm guest exec-status <vmid> <pid>",
		"importdisk 101 file":        "400 not enough arguments\nqm disk import <vmid> <source> <storage> [OPTIONS]",
		"shutdown 101 --timeout":     "Option timeout requires an argument\n400 unable to parse option\nqm shutdown <vmid> [OPTIONS]",
		"agent 101 none":             "command: value 'none' does not have a value in the enumeration",
		"frobnicate":                 "ERROR: unknown command 'qm frobnicate'",
		"guest exec 101 --timeout=x": "timeout: type check ('integer') failed - got 'x'",
	} {
		err := qm(strings.Fields(words))
		var known *refused
		if !errors.As(err, &known) || known.code != 255 || !strings.Contains(known.text, wanted) {
			t.Errorf("qm %s: %v", words, err)
		}
	}
}

func TestAConfigurationIsReadAndWrittenInProxmoxForm(t *testing.T) {
	conf := &machineConfig{vmid: "101", now: map[string]string{
		"boot": "order=net0;scsi0", "scsi0": "local:101/a.raw,size=8G", "unused0": "local:101/c.raw",
	}, then: map[string]string{}}
	if conf.bootDisk() != "scsi0" {
		t.Fatal(conf.bootDisk())
	}
	// Another disk in its place: the old one stays, and the new one is no longer unused.
	if err := conf.put("scsi0", "local:101/c.raw,size=8G"); err != nil {
		t.Fatal(err)
	}
	if conf.now["unused1"] != "local:101/a.raw" || conf.now["unused0"] != "" {
		t.Fatalf("%v", conf.now)
	}
	// The lowest free number, and a volume only once.
	if key, err := conf.unused("local:101/d.raw"); err != nil || key != "unused0" {
		t.Fatal(key, err)
	}
	if key, _ := conf.unused("local:101/d.raw"); key != "unused0" {
		t.Fatal(key)
	}
	conf.then["delete"], conf.then["memory"] = "scsi0", "4096"
	if err := conf.apply(); err != nil {
		t.Fatal(err)
	}
	if _, has := conf.now["scsi0"]; has || conf.now["memory"] != "4096" || len(conf.then) != 0 {
		t.Fatalf("%v %v", conf.now, conf.then)
	}
	if conf.now["unused2"] != "local:101/c.raw" {
		t.Fatalf("%v", conf.now)
	}
}

func TestSizesAreExact(t *testing.T) {
	for text, size := range map[string]int64{"8G": 8 << 30, "1M": 1 << 20, "20980890K": 20980890 << 10, "512": 512, "1T": 1 << 40} {
		read, err := parseSize(text)
		if err != nil || read != size || sizeText(size) != text {
			t.Errorf("%s: %d %v %s", text, read, err, sizeText(size))
		}
	}
	if _, err := parseSize("1Gx"); err == nil {
		t.Error("1Gx is no size")
	}
	if human(8<<30) != "8.0 GiB" || human(0) != "0.0 B" {
		t.Error(human(8<<30), human(0))
	}
}

func TestOutputIsOneCharacterPerByte(t *testing.T) {
	var text bytes.Buffer
	out := bufio.NewWriter(&text)
	pretty(out, map[string]any{
		"out-data": []byte("\x00\xff\"\n"), "name": "é", "exited": json.Number("1"), "list": []any{}, "in": map[string]any{"a": nil},
	}, "\n")
	_ = out.Flush()
	wanted := "{\n   \"exited\" : 1,\n   \"in\" : {\n      \"a\" : null\n   },\n   \"list\" : [],\n   \"name\" : \"é\",\n   \"out-data\" : \"\\u0000ÿ\\\"\\n\"\n}"
	if text.String() != wanted {
		t.Fatalf("%s", text.String())
	}
}

func TestACopyKeepsHolesAndBytes(t *testing.T) {
	folder := t.TempDir()
	from, to := filepath.Join(folder, "from"), filepath.Join(folder, "to")
	source, err := os.Create(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	const size = 64 << 20
	for _, at := range []int64{0, 5 << 20, size - 4} {
		if _, err := source.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(to, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(to, size); err != nil {
		t.Fatal(err)
	}
	if err := transfer(from, to, size); err != nil {
		t.Fatal(err)
	}
	one, _ := os.ReadFile(from)
	other, _ := os.ReadFile(to)
	if !bytes.Equal(one, other) || len(other) != size {
		t.Fatal("they differ")
	}
}

func TestOnlyTheFileOfAMachinesOwnDiskBoots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	for content, wanted := range map[string]string{
		diskMark + "\n101 original\n\x00": "original", diskMark + "\nimage\n": "image",
		diskMark + "\n102 original\n": "", "": "", "\x00\x00\x00": "", diskMark: "",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if disk, err := bootable(path, "101"); err != nil || disk != wanted {
			t.Errorf("%q: %q %v", content, disk, err)
		}
	}
	if err := mark(path, "101", "abc"); err != nil {
		t.Fatal(err)
	}
	if disk, _ := bootable(path, "101"); disk != "abc" {
		t.Error(disk)
	}
}
