package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// vzdump is the lab's stand-in for Proxmox' backups: it reads every disk of a machine to its end and writes what it read
// to a storage's folder. Words, files and codes are Proxmox' (lab/README.md); what is in the archive is not.

// vzdumpLogs is where the log of each machine's last backup lies.
const vzdumpLogs = "/var/log/vzdump"

// taskLogs is where every task's output lies, below the last digit of when it began, and an index of those that ended.
const taskLogs = "/var/log/pve/tasks"

// backup is one run of the command.
type backup struct {
	// journal is absent where nobody listens.
	journal *syslog.Writer
	// task is the log of this run.
	task io.Writer
	// log is that of the machine at hand.
	log io.Writer
}

// say prints a line as Proxmox does: to whoever runs the job, and to the machine's log with the time.
func (b *backup) say(kind, format string, values ...any) {
	text := kind + ": " + fmt.Sprintf(format, values...)
	fmt.Println(text)
	if b.task != nil {
		fmt.Fprintln(b.task, text)
	}
	if b.log != nil {
		fmt.Fprintln(b.log, time.Now().Format(time.DateTime), text)
	}
}

// tell is the same for what the host's journal is to know, too.
func (b *backup) tell(kind, format string, values ...any) {
	b.say(kind, format, values...)
	if b.journal == nil {
		return
	}
	text := kind + ": " + fmt.Sprintf(format, values...)
	if kind == "ERROR" {
		_ = b.journal.Err(text)
	} else {
		_ = b.journal.Info(text)
	}
}

// runVzdump backs up the machines that were named, and gives the code to end with.
func runVzdump(words []string) int {
	err := vzdump(words)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, strings.TrimSuffix(err.Error(), "\n"))
	return 255
}

func vzdump(words []string) error {
	known := verb{usage: "vzdump {<vmid>} [OPTIONS]", names: []string{"vmid"},
		flags: []string{"storage", "mode", "quiet!"}, rest: true}
	c, err := parse(known, words)
	if err != nil {
		return err
	}
	name := c.flags["storage"]
	if name == "" {
		name = "local"
	}
	if mode := c.flags["mode"]; mode != "" && mode != "snapshot" {
		return die("the lab's vzdump knows only the mode 'snapshot'")
	}
	target, err := storageOf(name)
	if err != nil {
		return err
	}
	if !slices.Contains(target.content, "backup") {
		return die("storage '%s' does not support backups", name)
	}
	folder := filepath.Join(target.path, "dump")
	for _, needed := range []string{folder, vzdumpLogs} {
		if err := os.MkdirAll(needed, 0o755); err != nil {
			return err
		}
	}
	b := &backup{}
	task, err := newTask(strings.Join(append([]string{c.vmid}, c.rest...), ","))
	if err != nil {
		return err
	}
	defer task.file.Close()
	b.task = task.file
	b.journal, _ = syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "vzdump")
	b.tell("INFO", "starting new backup job: vzdump %s", strings.Join(words, " "))
	failed := 0
	for _, vmid := range append([]string{c.vmid}, c.rest...) {
		if err := b.machine(vmid, folder); err != nil {
			failed++
		}
	}
	if failed > 0 {
		b.tell("INFO", "Backup job finished with errors")
		return errors.Join(die("job errors"), task.end("TASK ERROR: ", "job errors"))
	}
	b.tell("INFO", "Backup job finished successfully")
	return task.end("TASK ", "OK")
}

// task is one entry of Proxmox' list of tasks.
type task struct {
	upid string
	file *os.File
}

// newTask begins one: `UPID:NODE:PID:PSTART:BEGAN:TYPE:ID:USER:`, numbers as eight hexadecimal digits.
func newTask(id string) (*task, error) {
	began := fmt.Sprintf("%08X", time.Now().Unix())
	upid := fmt.Sprintf("UPID:%s:%08X:%08X:%s:vzdump:%s:root@pam:", hostName(), os.Getpid(), 0, began, id)
	folder := filepath.Join(taskLogs, began[len(began)-1:])
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(folder, upid))
	return &task{upid, file}, err
}

// end writes down how it came.
func (t *task) end(mark, status string) error {
	fmt.Fprintln(t.file, mark+status)
	index, err := os.OpenFile(filepath.Join(taskLogs, "index"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer index.Close()
	_, err = fmt.Fprintf(index, "%s %08X %s\n", t.upid, time.Now().Unix(), status)
	return err
}

// machine backs up one machine. What failed has been said.
func (b *backup) machine(vmid, folder string) error {
	began := time.Now()
	file, err := os.Create(filepath.Join(vzdumpLogs, "qemu-"+vmid+".log"))
	if err != nil {
		return err
	}
	defer file.Close()
	b.log = file
	defer func() { b.log = nil }()
	b.tell("INFO", "Starting Backup of VM %s (qemu)", vmid)
	b.say("INFO", "Backup started at %s", began.Format(time.DateTime))
	err = b.archive(vmid, folder, began)
	if err != nil {
		b.tell("ERROR", "Backup of VM %s failed - %v", vmid, err)
		b.say("INFO", "Failed at %s", time.Now().Format(time.DateTime))
		return err
	}
	took := time.Since(began).Round(time.Second)
	b.tell("INFO", "Finished Backup of VM %s (%s)", vmid, time.Time{}.Add(took).Format(time.TimeOnly))
	b.say("INFO", "Backup finished at %s", time.Now().Format(time.DateTime))
	return nil
}

// archive reads the disks of a machine and writes them. An archive that is not whole goes.
func (b *backup) archive(vmid, folder string, began time.Time) error {
	conf, err := load(vmid)
	if err != nil {
		return errors.New("unable to find VM '" + vmid + "'")
	}
	if held := conf.now["lock"]; held != "" {
		return fmt.Errorf("VM is locked (%s)", held)
	}
	b.say("INFO", "status = %s", power(conf.state().Running))
	b.say("INFO", "VM Name: %s", conf.name())
	var sources []string
	var whole int64
	for _, key := range sorted(conf.now) {
		own := volume(conf.now[key])
		if !disks.MatchString(key) || own == "none" || strings.Contains(conf.now[key], "media=cdrom") {
			continue
		}
		path, err := volumePath(own)
		if err != nil {
			return err
		}
		found, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("volume '%s' does not exist", own)
		}
		b.say("INFO", "include disk '%s' '%s' %s", key, own, sizeText(found.Size()))
		sources = append(sources, path)
		whole += found.Size()
	}
	b.say("INFO", "backup mode: snapshot")
	b.say("INFO", "ionice priority: 7")
	path := filepath.Join(folder, fmt.Sprintf("vzdump-qemu-%s-%s.vma", vmid, began.Format("2006_01_02-15_04_05")))
	b.say("INFO", "creating vzdump archive '%s'", path)
	unfinished := strings.TrimSuffix(path, "vma") + "dat"
	target, err := os.Create(unfinished)
	if err != nil {
		return err
	}
	defer os.Remove(unfinished)
	defer target.Close()
	done := int64(0)
	for _, source := range sources {
		if done, err = b.read(source, target, done, whole); err != nil {
			b.say("ERROR", "%v", err)
			b.say("INFO", "aborting backup job")
			b.say("INFO", "resuming VM again")
			return err
		}
	}
	if err := target.Sync(); err != nil {
		return unwritten(err)
	}
	b.say("INFO", "transferred %s in %d seconds", human(done), int(time.Since(began).Seconds()))
	return os.Rename(unfinished, path)
}

// read copies what is no hole of a disk, and says how far the whole is.
func (b *backup) read(from string, target io.Writer, done, whole int64) (int64, error) {
	source, err := os.Open(from)
	if err != nil {
		return done, unread(err)
	}
	defer source.Close()
	found, err := source.Stat()
	if err != nil {
		return done, unread(err)
	}
	// As qemu's backup jobs do, by pieces of 64 KiB.
	piece := make([]byte, 64<<10)
	for at := int64(0); at < found.Size(); {
		begin, err := unix.Seek(int(source.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return done, unread(err)
		}
		length, err := source.ReadAt(piece, begin)
		if err != nil && !errors.Is(err, io.EOF) {
			b.say("INFO", "%3d%% (%s of %s)", (done+begin)*100/max(whole, 1), human(done+begin), human(whole))
			return done, unread(err)
		}
		if _, err := io.Copy(target, bytes.NewReader(piece[:length])); err != nil {
			return done, unwritten(err)
		}
		at = begin + int64(length)
	}
	return done + found.Size(), nil
}

// unread is what qemu's job ends with when its source fails: the system's number and words.
func unread(err error) error {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err
	}
	return fmt.Errorf("job failed with err -%d - %s", int(number), words(number))
}

// unwritten is what the writer of archives says.
func unwritten(err error) error {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err
	}
	return fmt.Errorf("vma_queue_write: write error - %s", words(number))
}

// words are the C library's for a number; Go's begin small.
func words(number syscall.Errno) string {
	text := number.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
