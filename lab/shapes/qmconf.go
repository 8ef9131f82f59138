package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A machine's configuration, in Proxmox' own place and form: `key: value`, below it the sections
// of what is pending and of snapshots.

const pve = "/etc/pve"

// settings are the keys that `qm set` takes; those that end in `*` are followed by a number.
var settings = []string{
	"acpi", "agent", "args", "balloon", "bios", "boot", "bootdisk", "cores", "cpu", "cpulimit", "cpuunits",
	"description", "hotplug", "ide*", "ipconfig*", "lock", "machine", "memory", "name", "net*", "numa", "onboot",
	"ostype", "protection", "sata*", "scsi*", "scsihw", "serial*", "smbios1", "sockets", "startup", "tags",
	"tablet", "unused*", "vga", "virtio*", "vmgenid",
}

// Those that a machine which runs takes over at once; disks and nets do too, all others wait for
// its next start.
var atOnce = []string{"description", "lock", "name", "onboot", "protection", "startup", "tags"}

var (
	disks     = regexp.MustCompile(`^(ide|sata|scsi|virtio)[0-9]+$`)
	unusedOne = regexp.MustCompile(`^unused[0-9]+$`)
)

// machineConfig is one file: what holds, what waits, and the rest as it stands.
type machineConfig struct {
	vmid      string
	now, then map[string]string
	rest      string
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "pve1"
	}
	return name
}

func configFile(vmid string) string {
	return filepath.Join(pve, "nodes", hostName(), "qemu-server", vmid+".conf")
}

func load(vmid string) (*machineConfig, error) {
	text, err := os.ReadFile(configFile(vmid))
	if errors.Is(err, os.ErrNotExist) {
		// The number that the system has left there becomes Perl's code.
		return nil, &refused{fmt.Sprintf("Configuration file 'nodes/%s/qemu-server/%s.conf' does not exist", hostName(), vmid), 2}
	}
	if err != nil {
		return nil, err
	}
	conf := &machineConfig{vmid: vmid, now: map[string]string{}, then: map[string]string{}}
	into := conf.now
	lines := strings.SplitAfter(string(text), "\n")
	for at, line := range lines {
		plain := strings.TrimSpace(line)
		if strings.HasPrefix(plain, "[") {
			if plain != "[PENDING]" {
				conf.rest = strings.Join(lines[at:], "")
				break
			}
			into = conf.then
			continue
		}
		if said, is := strings.CutPrefix(plain, "#"); is {
			into["description"] += said + "\n"
			continue
		}
		if key, value, is := strings.Cut(plain, ":"); is {
			into[key] = strings.TrimSpace(value)
		}
	}
	return conf, nil
}

func (c *machineConfig) write() error {
	var text strings.Builder
	section := func(values map[string]string) {
		for _, line := range strings.SplitAfter(values["description"], "\n") {
			if line != "" {
				text.WriteString("#" + strings.TrimSuffix(line, "\n") + "\n")
			}
		}
		for _, key := range sorted(values) {
			if key != "description" {
				text.WriteString(key + ": " + values[key] + "\n")
			}
		}
	}
	section(c.now)
	if len(c.then) > 0 {
		text.WriteString("\n[PENDING]\n")
		section(c.then)
	}
	if c.rest != "" {
		text.WriteString("\n" + c.rest)
	}
	path := configFile(c.vmid)
	unfinished := fmt.Sprintf("%s.tmp.%d", path, os.Getpid())
	if err := os.WriteFile(unfinished, []byte(text.String()), 0o640); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}

func sorted(values map[string]string) []string {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// locked does something to a machine's configuration while nobody else does.
func locked(c call, work func(*machineConfig) error) error {
	folder := "/var/lock/qemu-server"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	path := filepath.Join(folder, "lock-"+c.vmid+".conf")
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	for end := time.Now().Add(10 * time.Second); syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil; {
		if time.Now().After(end) {
			return die("can't lock file '%s' - got timeout", path)
		}
		time.Sleep(100 * time.Millisecond)
	}
	conf, err := load(c.vmid)
	if err != nil {
		return err
	}
	if held := conf.now["lock"]; held != "" && c.flags["skiplock"] != "1" {
		return die("VM is locked (%s)", held)
	}
	return work(conf)
}

// unused keeps a volume that no drive uses any more.
func (c *machineConfig) unused(volume string) (string, error) {
	free := ""
	for number := 255; number >= 0; number-- {
		key := "unused" + strconv.Itoa(number)
		switch c.now[key] {
		case volume:
			return key, nil
		case "":
			free = key
		}
	}
	if free == "" {
		return "", die("Too many unused volumes - please delete them first.")
	}
	c.now[free] = volume
	return free, nil
}

// volume is the first part of a drive's value.
func volume(value string) string {
	name, _, _ := strings.Cut(value, ",")
	return strings.TrimPrefix(name, "file=")
}

// bootDisk is the drive that the machine boots from.
func (c *machineConfig) bootDisk() string {
	if order, is := strings.CutPrefix(c.now["boot"], "order="); is {
		for _, key := range strings.Split(order, ";") {
			if disks.MatchString(key) {
				return key
			}
		}
		return ""
	}
	return c.now["bootdisk"]
}

// apply makes what is pending true, as a start does.
func (c *machineConfig) apply() error {
	for _, key := range strings.FieldsFunc(c.then["delete"], func(r rune) bool { return r == ',' }) {
		if err := c.drop(key); err != nil {
			return err
		}
	}
	delete(c.then, "delete")
	for _, key := range sorted(c.then) {
		if err := c.put(key, c.then[key]); err != nil {
			return err
		}
		delete(c.then, key)
	}
	return nil
}

// drop takes a key away; the volume of a drive stays as an unused one.
func (c *machineConfig) drop(key string) error {
	value, has := c.now[key]
	delete(c.now, key)
	if has && disks.MatchString(key) && !strings.Contains(value, "media=cdrom") && volume(value) != "none" {
		_, err := c.unused(volume(value))
		return err
	}
	return nil
}

// put sets a key; a drive's former volume stays as an unused one, and one that was unused is used.
func (c *machineConfig) put(key, value string) error {
	if disks.MatchString(key) {
		if old := c.now[key]; old != "" && volume(old) != volume(value) {
			if err := c.drop(key); err != nil {
				return err
			}
		}
		for other, held := range c.now {
			if unusedOne.MatchString(other) && held == volume(value) {
				delete(c.now, other)
			}
		}
	}
	c.now[key] = value
	return nil
}

func qmConfig(c call) error {
	conf, err := load(c.vmid)
	if err != nil {
		return err
	}
	shown := conf.now
	if c.flags["current"] != "1" {
		// Without the flag it shows what will be.
		for _, key := range strings.Split(conf.then["delete"], ",") {
			delete(shown, key)
		}
		for key, value := range conf.then {
			if key != "delete" {
				shown[key] = value
			}
		}
	}
	for _, key := range sorted(shown) {
		value := shown[key]
		if key == "description" {
			value = strings.ReplaceAll(value, "\n", "%0A")
		}
		fmt.Printf("%s: %s\n", key, value)
	}
	return nil
}

func qmPending(c call) error {
	conf, err := load(c.vmid)
	if err != nil {
		return err
	}
	gone := strings.Split(conf.then["delete"], ",")
	keys := sorted(conf.now)
	for _, key := range sorted(conf.then) {
		if _, has := conf.now[key]; !has && key != "delete" {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	for _, key := range keys {
		now, has := conf.now[key]
		if has && slices.Contains(gone, key) {
			fmt.Printf("del %s: %s\n", key, now)
			continue
		}
		if has {
			fmt.Printf("cur %s: %s\n", key, now)
		}
		if then, waits := conf.then[key]; waits {
			fmt.Printf("new %s: %s\n", key, then)
		}
	}
	return nil
}

func qmUnlock(c call) error {
	// It is for those that are locked.
	c.flags["skiplock"] = "1"
	return locked(c, func(conf *machineConfig) error {
		delete(conf.now, "lock")
		delete(conf.then, "lock")
		return conf.write()
	})
}

func qmSet(c call) error {
	keys := slices.DeleteFunc(sorted(c.flags), func(key string) bool {
		return slices.Contains([]string{"skiplock", "force", "digest"}, key)
	})
	if len(keys) == 0 {
		return die("no options specified")
	}
	return locked(c, func(conf *machineConfig) error {
		var said []string
		for _, key := range keys {
			said = append(said, "-"+key, c.flags[key])
		}
		fmt.Printf("update VM %s: %s\n", c.vmid, strings.Join(said, " "))
		now, err := below("state", c.vmid, "")
		if err != nil {
			return err
		}
		if err := c.deleted(conf, now.Running); err != nil {
			return err
		}
		for _, key := range keys {
			value := c.flags[key]
			if key == "delete" || key == "revert" {
				continue
			}
			if disks.MatchString(key) {
				if value, err = drive(c.vmid, key, value); err != nil {
					return err
				}
			}
			switch {
			case now.Running && key == conf.bootDisk() && volume(conf.now[key]) != volume(value):
				conf.then[key] = value
				if err := conf.write(); err != nil {
					return err
				}
				return c.unfit(key, fmt.Sprintf("hotplug problem - can't unplug bootdisk '%s'", key))
			case now.Running && !slices.Contains(atOnce, key) && !disks.MatchString(key) && !strings.HasPrefix(key, "net"):
				conf.then[key] = value
			default:
				if err := conf.put(key, value); err != nil {
					return err
				}
			}
		}
		return conf.write()
	})
}

// deleted takes away what `--delete` names.
func (c call) deleted(conf *machineConfig, running bool) error {
	for _, key := range strings.FieldsFunc(c.flags["delete"], func(r rune) bool { return strings.ContainsRune(",; ", r) }) {
		held, has := conf.now[key]
		switch {
		case !has:
			fmt.Fprintf(os.Stderr, "cannot delete '%s' - not set in current configuration!\n", key)
		case unusedOne.MatchString(key):
			// This one is the end of the volume.
			path, err := volumePath(held)
			if err != nil {
				return err
			}
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			delete(conf.now, key)
		case running && key == conf.bootDisk():
			waiting := strings.FieldsFunc(conf.then["delete"], func(r rune) bool { return r == ',' })
			if !slices.Contains(waiting, key) {
				conf.then["delete"] = strings.Join(append(waiting, key), ",")
			}
			if err := conf.write(); err != nil {
				return err
			}
			return c.unfit(key, fmt.Sprintf("hotplug problem - can't unplug bootdisk '%s'", key))
		default:
			if err := conf.drop(key); err != nil {
				return err
			}
		}
	}
	return nil
}
