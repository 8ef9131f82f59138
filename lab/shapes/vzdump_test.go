package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestABackupReadsWhatIsNoHole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vm-101-disk-0.raw")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	kept := bytes.Repeat([]byte("kept"), 1024)
	for _, at := range []int64{0, 9 << 20} {
		if _, err := file.WriteAt(kept, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	done, err := (&backup{}).read(path, &got, 5, 64<<20)
	if err != nil || done != 5+64<<20 {
		t.Fatalf("%d, %v", done, err)
	}
	if bytes.Count(got.Bytes(), []byte("kept")) != 2048 || got.Len() > 4<<20 {
		t.Fatalf("%d bytes", got.Len())
	}
}

func TestWhyABackupFails(t *testing.T) {
	for number, wanted := range map[syscall.Errno][2]string{
		syscall.EIO:    {"job failed with err -5 - Input/output error", "vma_queue_write: write error - Input/output error"},
		syscall.ENOSPC: {"job failed with err -28 - No space left on device", "vma_queue_write: write error - No space left on device"},
	} {
		err := &fs.PathError{Op: "read", Path: "/x", Err: number}
		if got := unread(err).Error(); got != wanted[0] {
			t.Error(got)
		}
		if got := unwritten(err).Error(); got != wanted[1] {
			t.Error(got)
		}
	}
	if err := errors.New("other"); unread(err) != err {
		t.Error("what is no number of the system's stays")
	}
	// A machine's own writer fails by what it writes to, not by what it reads.
	full := writer(func([]byte) (int, error) { return 0, &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC} })
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&backup{}).read(path, full, 0, 1); err == nil || err.Error() != "vma_queue_write: write error - No space left on device" {
		t.Error(err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(bytes []byte) (int, error) { return w(bytes) }
