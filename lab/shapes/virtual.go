package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// The one machine that is no host of the lab: a real QEMU with a kernel, disks and a guest agent
// of its own, under software emulation.

// virtualVM is its number on the Proxmox host.
const virtualVM = 201

// virtual is that machine.
type virtual struct {
	dir string
	// Kernel and Initrd start it, as its disk brings no boot loader.
	Kernel, Initrd string
	process        *exec.Cmd
	ended          chan struct{}
	started        time.Time
}

// running is true until the process has ended, for whatever reason.
func (v *virtual) running() bool {
	if v.process == nil {
		return false
	}
	select {
	case <-v.ended:
		return false
	default:
		return true
	}
}

func (v *virtual) path(name string) string { return filepath.Join(v.dir, name) }

// do is what the hypervisor is asked about it. Drives are files of the Proxmox host's.
func (v *virtual) do(asked wish, root string) (*reply, error) {
	var err error
	switch asked.Verb {
	case "state":
	case "on":
		err = v.on(asked, root)
	case "ask":
		err = v.monitor("system_powerdown")
	case "cord":
		if v.running() {
			_ = v.process.Process.Kill()
			<-v.ended
		}
	default:
		err = fmt.Errorf("there is no verb %q", asked.Verb)
	}
	if err != nil {
		return nil, err
	}
	said := &reply{Running: v.running(), Disk: asked.Disk}
	if said.Running {
		said.PID, said.Started = v.process.Process.Pid, v.started
	}
	return said, nil
}

func (v *virtual) on(asked wish, root string) error {
	if v.running() {
		return nil
	}
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return err
	}
	memory := asked.Memory
	if memory == 0 {
		memory = 512
	}
	words := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg", "-cpu", "max",
		"-m", strconv.Itoa(memory), "-smp", "1", "-serial", "file:" + v.path("console.log"),
		"-qmp", "unix:" + v.path("qmp") + ",server=on,wait=off",
		"-chardev", "socket,id=qga,path=" + v.path("qga") + ",server=on,wait=off",
		"-device", "virtio-serial-pci", "-device", "virtserialport,chardev=qga,name=org.qemu.guest_agent.0",
		"-device", "virtio-scsi-pci,id=scsi", "-netdev", "user,id=net0,restrict=on", "-device", "virtio-net-pci,netdev=net0",
	}
	for at, drive := range asked.Drives {
		id := fmt.Sprintf("drive%d", at)
		words = append(words, "-drive", fmt.Sprintf("if=none,format=raw,id=%s,file=%s", id, filepath.Join(root, drive)),
			"-device", fmt.Sprintf("scsi-hd,bus=scsi.0,scsi-id=%d,drive=%s", at, id))
	}
	if asked.Disk != "" {
		// Without the disk to boot from it looks for one in vain, as any machine does.
		words = append(words, "-kernel", v.Kernel, "-initrd", v.Initrd,
			"-append", "root=/dev/sda rw console=ttyS0 net.ifnames=0")
	}
	log, err := os.Create(v.path("qemu.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	process := exec.Command("qemu-system-x86_64", words...)
	process.Stdout, process.Stderr = log, log
	if err := process.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	v.process, v.ended, v.started = process, ended, time.Now().UTC()
	go func() {
		_ = process.Wait()
		close(ended)
	}()
	for tries := 0; ; tries++ {
		if _, err := os.Stat(v.path("qmp")); err == nil {
			return nil
		}
		if !v.running() || tries == 200 {
			said, _ := os.ReadFile(v.path("qemu.log"))
			return fmt.Errorf("QEMU did not start: %s", said)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// monitor tells QEMU one thing.
func (v *virtual) monitor(command string) error {
	connection, err := net.DialTimeout("unix", v.path("qmp"), time.Second)
	if err != nil {
		return err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(5 * time.Second))
	lines := bufio.NewReader(connection)
	// It greets first.
	if _, err := lines.ReadBytes('\n'); err != nil {
		return err
	}
	for _, one := range []string{"qmp_capabilities", command} {
		if err := json.NewEncoder(connection).Encode(map[string]string{"execute": one}); err != nil {
			return err
		}
		for {
			text, err := lines.ReadBytes('\n')
			if err != nil {
				return err
			}
			var said struct {
				Event string
				Error *struct{ Desc string }
			}
			if err := json.Unmarshal(text, &said); err != nil {
				return err
			}
			if said.Error != nil {
				return errors.New(said.Error.Desc)
			}
			if said.Event == "" {
				break
			}
		}
	}
	return nil
}
