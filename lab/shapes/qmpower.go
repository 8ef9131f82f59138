package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// all are the machines that this host has files for, in order.
func all() ([]*machineConfig, error) {
	paths, err := filepath.Glob(filepath.Join(filepath.Dir(configFile("0")), "*.conf"))
	if err != nil {
		return nil, err
	}
	var found []*machineConfig
	for _, path := range paths {
		vmid := strings.TrimSuffix(filepath.Base(path), ".conf")
		if conf, err := load(vmid); err == nil {
			found = append(found, conf)
		}
	}
	slices.SortFunc(found, func(one, other *machineConfig) int {
		a, _ := strconv.Atoi(one.vmid)
		b, _ := strconv.Atoi(other.vmid)
		return a - b
	})
	return found, nil
}

func (c *machineConfig) name() string {
	if name := c.now["name"]; name != "" {
		return name
	}
	return "VM " + c.vmid
}

func (c *machineConfig) megabytes() float64 {
	value, err := strconv.ParseFloat(c.now["memory"], 64)
	if err != nil {
		return 512
	}
	return value
}

// bytes is the size of the disk that it boots from.
func (c *machineConfig) bytes() int64 {
	for _, one := range strings.Split(c.now[c.bootDisk()], ",") {
		if text, is := strings.CutPrefix(one, "size="); is {
			if size, err := parseSize(text); err == nil {
				return size
			}
		}
	}
	return 0
}

func power(running bool) string {
	if running {
		return "running"
	}
	return "stopped"
}

// state is that of a machine; one that the lab has nothing for is off.
func (c *machineConfig) state() *reply {
	now, err := below("state", c.vmid, "")
	if err != nil {
		return &reply{}
	}
	return now
}

func qmList(call) error {
	found, err := all()
	if err != nil || len(found) == 0 {
		return err
	}
	fmt.Printf("%10s %-20s %-10s %-10s %12s %-10s\n", "VMID", "NAME", "STATUS", "MEM(MB)", "BOOTDISK(GB)", "PID")
	for _, one := range found {
		now := one.state()
		fmt.Printf("%10s %-20s %-10s %-10s %12.2f %-10d\n", one.vmid, one.name(), power(now.Running),
			strconv.FormatFloat(one.megabytes(), 'f', -1, 64), float64(one.bytes())/(1<<30), now.PID)
	}
	return nil
}

func qmStatus(c call) error {
	conf, err := load(c.vmid)
	if err != nil {
		return err
	}
	now := conf.state()
	if c.flags["verbose"] != "1" {
		fmt.Printf("status: %s\n", power(now.Running))
		return nil
	}
	uptime := 0
	if now.Running && !now.Started.IsZero() {
		uptime = int(time.Since(now.Started).Seconds())
	}
	said := map[string]string{
		"maxdisk": strconv.FormatInt(conf.bytes(), 10), "maxmem": strconv.Itoa(int(conf.megabytes()) << 20),
		"name": conf.name(), "qmpstatus": power(now.Running), "status": power(now.Running),
		"uptime": strconv.Itoa(uptime), "vmid": c.vmid, "disk": "0",
	}
	if now.Running {
		said["pid"] = strconv.Itoa(now.PID)
	}
	for _, key := range sorted(said) {
		fmt.Printf("%s: %s\n", key, said[key])
	}
	return nil
}

func qmStart(c call) error {
	return locked(c, func(conf *machineConfig) error {
		if conf.state().Running {
			return die("VM %s already running", c.vmid)
		}
		if err := conf.apply(); err != nil {
			return err
		}
		if err := conf.write(); err != nil {
			return err
		}
		return boot(conf)
	})
}

// boot starts a machine from the disk that its configuration names, if that is one that boots.
func boot(conf *machineConfig) error {
	value := conf.now[conf.bootDisk()]
	if conf.vmid == strconv.Itoa(virtualVM) {
		return bootReal(conf)
	}
	if value == "" {
		_, err := below("on", conf.vmid, "")
		return err
	}
	path, err := volumePath(volume(value))
	if err != nil {
		return err
	}
	disk, err := bootable(path, conf.vmid)
	if errors.Is(err, os.ErrNotExist) {
		return die("volume '%s' does not exist", volume(value))
	}
	if err != nil {
		return err
	}
	said, err := below("on", conf.vmid, disk)
	if err != nil {
		return err
	}
	if said.Disk != disk {
		return mark(path, conf.vmid, said.Disk)
	}
	return nil
}

// bootReal starts the machine that is a QEMU of its own, with all of its disks.
func bootReal(conf *machineConfig) error {
	asked := wish{Verb: "on", Disk: conf.now[conf.bootDisk()], Memory: int(conf.megabytes())}
	keys := sorted(conf.now)
	// The one that it boots from comes first.
	slices.SortStableFunc(keys, func(one, other string) int {
		first := func(key string) int {
			if key == conf.bootDisk() {
				return 0
			}
			return 1
		}
		return first(one) - first(other)
	})
	for _, key := range keys {
		value := conf.now[key]
		if !disks.MatchString(key) || strings.Contains(value, "media=cdrom") {
			continue
		}
		path, err := volumePath(volume(value))
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			return die("volume '%s' does not exist", volume(value))
		}
		asked.Drives = append(asked.Drives, path)
	}
	_, _, err := dial(conf.vmid, asked)
	return err
}

func qmStop(c call) error {
	return locked(c, func(conf *machineConfig) error {
		if !conf.state().Running {
			return nil
		}
		_, err := below("cord", c.vmid, "")
		return err
	})
}

func qmReset(c call) error {
	return locked(c, func(conf *machineConfig) error {
		if !conf.state().Running {
			return die("VM %s not running", c.vmid)
		}
		if _, err := below("cord", c.vmid, ""); err != nil {
			return err
		}
		return boot(conf)
	})
}

// askDown asks a machine to shut down and waits.
func askDown(c call, conf *machineConfig, force bool) error {
	patience, err := c.number("timeout", 60)
	if err != nil {
		return err
	}
	if err := ask(c, conf, patience); err != nil {
		return err
	}
	for end := time.Now().Add(time.Duration(patience) * time.Second); conf.state().Running; {
		if time.Now().After(end) {
			if !force {
				return die("VM quit/powerdown failed - got timeout")
			}
			fmt.Fprintln(os.Stderr, "VM still running - terminating now with SIGTERM")
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	// One that is off is only cleared away.
	_, err = below("cord", c.vmid, "")
	return err
}

// ask asks through the agent where there is one, as Proxmox does; a host of the lab is asked by what
// is below it, which comes to the same.
func ask(c call, conf *machineConfig, patience int) error {
	if c.vmid == strconv.Itoa(virtualVM) && conf.now["agent"] != "" {
		_, err := agentAsk(c.vmid, "guest-shutdown", map[string]any{}, time.Duration(patience)*time.Second)
		return err
	}
	_, err := below("ask", c.vmid, "")
	return err
}

func qmShutdown(c call) error {
	return locked(c, func(conf *machineConfig) error {
		if !conf.state().Running {
			return nil
		}
		return askDown(c, conf, c.flags["forceStop"] == "1")
	})
}

func qmReboot(c call) error {
	return locked(c, func(conf *machineConfig) error {
		if !conf.state().Running {
			return die("VM %s not running", c.vmid)
		}
		if err := askDown(c, conf, false); err != nil {
			return err
		}
		if err := conf.apply(); err != nil {
			return err
		}
		if err := conf.write(); err != nil {
			return err
		}
		return boot(conf)
	})
}

func qmWait(c call) error {
	conf, err := load(c.vmid)
	if err != nil {
		return err
	}
	patience, err := c.number("timeout", 0)
	if err != nil {
		return err
	}
	now := conf.state()
	if !now.Running {
		return nil
	}
	fmt.Printf("waiting until VM %s stops (PID %d)\n", c.vmid, now.PID)
	for count := 0; (patience == 0 || count < patience) && conf.state().Running; count++ {
		time.Sleep(time.Second)
	}
	if conf.state().Running {
		return die("wait failed - got timeout")
	}
	return nil
}
