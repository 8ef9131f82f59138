package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Storages and the volumes on them. Only those that are folders are known, as /etc/pve/storage.cfg
// describes them. A volume is a real file of its full size; what a host of the lab has on its disk
// lies elsewhere, so the file's first lines name it. A file without them boots nothing.

// diskMark is what the file of a disk begins with that a host of the lab can be started from.
const diskMark = "defib-lab-disk"

type storage struct {
	kind, path string
	content    []string
}

func storages() (map[string]*storage, error) {
	file, err := os.Open(filepath.Join(pve, "storage.cfg"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := map[string]*storage{}
	var last *storage
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if kind, name, is := strings.Cut(line, ": "); is && !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, " ") {
			last = &storage{kind: kind}
			found[strings.TrimSpace(name)] = last
			continue
		}
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case last == nil:
		case key == "path":
			last.path = value
		case key == "content":
			last.content = strings.Split(value, ",")
		}
	}
	return found, nil
}

func storageOf(name string) (*storage, error) {
	known, err := storages()
	if err != nil {
		return nil, err
	}
	found, is := known[name]
	if !is {
		return nil, die("storage '%s' does not exist", name)
	}
	if found.kind != "dir" {
		return nil, die("storage '%s' is of type '%s'; the lab's qm knows only 'dir'", name, found.kind)
	}
	return found, nil
}

// volumePath is where the file of a volume such as `local:101/vm-101-disk-0.raw` lies.
func volumePath(volume string) (string, error) {
	name, rest, is := strings.Cut(volume, ":")
	if !is || !filepath.IsLocal(rest) {
		return "", die("unable to parse volume ID '%s'", volume)
	}
	found, err := storageOf(name)
	if err != nil {
		return "", err
	}
	return filepath.Join(found.path, "images", rest), nil
}

// allocate makes an empty volume of a machine and says so, as qemu-img does.
func allocate(vmid, name string, size int64) (string, string, error) {
	found, err := storageOf(name)
	if err != nil {
		return "", "", err
	}
	if !slices.Contains(found.content, "images") {
		return "", "", die("storage %s does not support vm images", name)
	}
	folder := filepath.Join(found.path, "images", vmid)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", "", err
	}
	for number := 0; ; number++ {
		base := fmt.Sprintf("vm-%s-disk-%d.raw", vmid, number)
		path := filepath.Join(folder, base)
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", "", err
		}
		defer file.Close()
		fmt.Printf("Formatting '%s', fmt=raw size=%d preallocation=off\n", path, size)
		return fmt.Sprintf("%s:%s/%s", name, vmid, base), path, file.Truncate(size)
	}
}

// parseSize reads a size as Proxmox writes it: a number and perhaps K, M, G or T.
func parseSize(text string) (int64, error) {
	unit := int64(1)
	if at := strings.IndexAny(text, "KMGT"); at >= 0 {
		unit = 1 << (10 * (strings.IndexByte("KMGT", text[at]) + 1))
		if at != len(text)-1 {
			return 0, fmt.Errorf("no size: %s", text)
		}
		text = text[:at]
	}
	value, err := strconv.ParseFloat(text, 64)
	return int64(value * float64(unit)), err
}

// sizeText is the shortest exact form of a size.
func sizeText(size int64) string {
	for at, unit := range "TGMK" {
		bytes := int64(1) << (10 * (4 - at))
		if size >= bytes && size%bytes == 0 {
			return fmt.Sprintf("%d%c", size/bytes, unit)
		}
	}
	return strconv.FormatInt(size, 10)
}

// human is a size with one digit behind the point.
func human(size int64) string {
	value, unit := float64(size), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// drive makes of what `qm set` was given what stands in the file: the volume, then its options in
// order, its size among them. `STORAGE:SIZE` makes a new volume.
func drive(vmid, key, value string) (string, error) {
	parts := strings.Split(value, ",")
	parts[0] = strings.TrimPrefix(parts[0], "file=")
	if slices.Contains(parts, "media=cdrom") || parts[0] == "none" {
		return value, nil
	}
	options := slices.DeleteFunc(parts[1:], func(one string) bool { return strings.HasPrefix(one, "size=") })
	name, wish, is := strings.Cut(parts[0], ":")
	made := false
	volume := parts[0]
	if gigabytes, err := strconv.ParseFloat(wish, 64); is && err == nil {
		if volume, _, err = allocate(vmid, name, int64(gigabytes*(1<<30))); err != nil {
			return "", err
		}
		made = true
	}
	path, err := volumePath(volume)
	if err != nil {
		return "", err
	}
	found, err := os.Stat(path)
	if err != nil {
		return "", die("volume '%s' does not exist", volume)
	}
	options = append(options, "size="+sizeText(found.Size()))
	slices.Sort(options)
	text := strings.Join(append([]string{volume}, options...), ",")
	if made {
		fmt.Printf("%s: successfully created disk '%s'\n", key, text)
	}
	return text, nil
}

func qmImport(c call) error {
	conf, err := load(c.vmid)
	if err != nil {
		return err
	}
	if held := conf.now["lock"]; held != "" {
		return die("VM is locked (%s)", held)
	}
	source := c.named["source"]
	found, err := os.Stat(source)
	if err != nil || !found.Mode().IsRegular() {
		return die("%s: non-existent or non-regular file", source)
	}
	if format := c.flags["format"]; format != "" && !slices.Contains([]string{"raw", "qcow2", "vmdk"}, format) {
		return c.unfit("format", fmt.Sprintf("value '%s' does not have a value in the enumeration 'raw, qcow2, vmdk'", format))
	}
	if ended := filepath.Ext(source); ended == ".qcow2" || ended == ".vmdk" || c.flags["format"] == "qcow2" || c.flags["format"] == "vmdk" {
		return die("copy failed: the lab's qm copies raw images only")
	}
	if kept, err := marked(source); err == nil && kept != "" && kept != "image" {
		return die("copy failed: the lab's qm copies images, not disks that a host has written to")
	}
	if _, err := storageOf(c.named["storage"]); err != nil {
		return err
	}
	fmt.Printf("importing disk '%s' to VM %s ...\n", source, c.vmid)
	made, path, err := allocate(c.vmid, c.named["storage"], found.Size())
	if err != nil {
		return err
	}
	if err := transfer(source, path, found.Size()); err != nil {
		_ = os.Remove(path)
		return die("copy failed: %v", err)
	}
	key := c.flags["target-disk"]
	value := made
	err = locked(c, func(conf *machineConfig) error {
		if disks.MatchString(key) {
			if conf.now[key] != "" {
				return die("cowardly refusing to overwrite existing entry: %s", key)
			}
			value = made + ",size=" + sizeText(found.Size())
			if err := conf.put(key, value); err != nil {
				return err
			}
		} else if key, err = conf.unused(made); err != nil {
			return err
		}
		return conf.write()
	})
	if err != nil {
		_ = os.Remove(path)
		return err
	}
	fmt.Printf("%s: successfully imported disk '%s'\n", key, value)
	return nil
}

// transfer copies what is no hole, and says how far it is.
func transfer(from, to string, size int64) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer target.Close()
	said := -10.0
	tell := func(done int64) {
		percent := 100.0
		if size > 0 {
			percent = 100 * float64(done) / float64(size)
		}
		if percent-said >= 10 || done == size {
			said = percent
			fmt.Printf("transferred %s of %s (%.2f%%)\n", human(done), human(size), percent)
		}
	}
	tell(0)
	for at := int64(0); at < size; {
		begin, err := unix.Seek(int(source.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(int(source.Fd()), begin, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		for at = begin; at < end; {
			piece := min(end-at, 64<<20)
			copied, err := io.Copy(io.NewOffsetWriter(target, at), io.NewSectionReader(source, at, piece))
			if err != nil {
				return err
			}
			at += copied
			tell(at)
			if copied == 0 {
				return io.ErrUnexpectedEOF
			}
		}
	}
	tell(size)
	return target.Sync()
}

func qmResize(c call) error {
	return locked(c, func(conf *machineConfig) error {
		key := c.named["disk"]
		value, has := conf.now[key]
		if !has || !disks.MatchString(key) {
			return die("disk '%s' does not exist", key)
		}
		path, err := volumePath(volume(value))
		if err != nil {
			return err
		}
		found, err := os.Stat(path)
		if err != nil {
			return die("volume '%s' does not exist", volume(value))
		}
		text, more := strings.CutPrefix(c.named["size"], "+")
		size, err := parseSize(text)
		if err != nil {
			return c.unfit("size", "value does not match the regex pattern")
		}
		if more {
			size += found.Size()
		}
		if size < found.Size() {
			return die("shrinking disks is not supported")
		}
		if size == found.Size() {
			return nil
		}
		if err := os.Truncate(path, size); err != nil {
			return err
		}
		if !conf.state().Running {
			fmt.Println("Image resized.")
		}
		if conf.now[key], err = drive(c.vmid, key, value); err != nil {
			return err
		}
		return conf.write()
	})
}

// marked is what the file of a disk names, if it is one of the lab's.
func marked(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	var first [128]byte
	length, err := io.ReadFull(file, first[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", err
	}
	lines := strings.SplitN(string(first[:length]), "\n", 3)
	if len(lines) < 3 || lines[0] != diskMark {
		return "", nil
	}
	return lines[1], nil
}

// bootable is the disk that a host of the lab starts from; nothing where the file is none of its
// machine's.
func bootable(path, vmid string) (string, error) {
	kept, err := marked(path)
	if err != nil || kept == "image" {
		return kept, err
	}
	own, is := strings.CutPrefix(kept, vmid+" ")
	if !is {
		return "", nil
	}
	return own, nil
}

// mark writes down which disk of a machine the file is.
func mark(path, vmid, disk string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt([]byte(fmt.Sprintf("%s\n%s %s\n", diskMark, vmid, disk)), 0)
	return err
}
