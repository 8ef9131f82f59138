package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// order is what an engine wants to be run in a host.
type order struct {
	Cmd  []string
	Env  []string
	Dir  string
	User string
	Tty  bool
}

// Files that `inside` finds open: where it says why nothing was started, and, with a terminal,
// where it hears of its size.
const (
	reasons = 3
	sizes   = 4
)

// refusal is why a command could not be started, in runc's words, and the code for it.
type refusal struct {
	code int
	why  string
}

// inside runs in the host's own namespaces, where users, folders and programs are the host's.
func inside(text string) int {
	var asked order
	if err := json.Unmarshal([]byte(text), &asked); err != nil {
		return refuse(refusal{126, err.Error()})
	}
	unix.CloseOnExec(reasons)
	if refused := become(&asked); refused != nil {
		return refuse(*refused)
	}
	program, refused := find(asked)
	if refused != nil {
		return refuse(*refused)
	}
	if asked.Tty {
		unix.CloseOnExec(sizes)
		return onTerminal(program, asked)
	}
	err := syscall.Exec(program, asked.Cmd, asked.Env)
	return refuse(refusal{255, fmt.Sprintf("exec %s: %v", program, err)})
}

func refuse(why refusal) int {
	_, _ = syscall.Write(reasons, []byte(why.why))
	return why.code
}

// become takes on the folder, the user and the user's home.
func become(asked *order) *refusal {
	id, group, home := 0, 0, "/root"
	var groups []int
	if asked.User != "" {
		name, other, _ := strings.Cut(asked.User, ":")
		found, err := user.Lookup(name)
		if err != nil {
			if found, err = user.LookupId(name); err != nil {
				if id, err = strconv.Atoi(name); err != nil {
					return &refusal{126, fmt.Sprintf("unable to find user %s: no matching entries in passwd file", name)}
				}
				found, home = nil, "/"
			}
		}
		if found != nil {
			id, _ = strconv.Atoi(found.Uid)
			group, _ = strconv.Atoi(found.Gid)
			home = found.HomeDir
			if all, err := found.GroupIds(); err == nil {
				for _, one := range all {
					number, _ := strconv.Atoi(one)
					groups = append(groups, number)
				}
			}
		}
		if other != "" {
			named, err := user.LookupGroup(other)
			if err == nil {
				other = named.Gid
			}
			if group, err = strconv.Atoi(other); err != nil {
				return &refusal{126, fmt.Sprintf("unable to find group %s: no matching entries in group file", other)}
			}
			groups = nil
		}
	}
	if value(asked.Env, "HOME") == "" {
		asked.Env = append(asked.Env, "HOME="+home)
	}
	// A relative folder is one below the root: an engine has no other place of its own.
	if err := os.Chdir(filepath.Join("/", asked.Dir)); err != nil {
		return &refusal{127, fmt.Sprintf("OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd (%q) set in config.json failed: %v: unknown", asked.Dir, errno(err))}
	}
	if id == 0 && group == 0 {
		return nil
	}
	if err := errors.Join(syscall.Setgroups(groups), syscall.Setgid(group), syscall.Setuid(id)); err != nil {
		return &refusal{126, err.Error()}
	}
	return nil
}

// value is the last one that a list of settings gives a name.
func value(env []string, name string) string {
	found := ""
	for _, one := range env {
		if key, text, _ := strings.Cut(one, "="); key == name {
			found = text
		}
	}
	return found
}

// find looks the program up as runc does, on the path of the command itself.
func find(asked order) (string, *refusal) {
	name := asked.Cmd[0]
	failed := func(code int, why string) *refusal {
		return &refusal{code, "OCI runtime exec failed: exec failed: unable to start container process: exec: " + why + ": unknown"}
	}
	if strings.Contains(name, "/") {
		switch err := executable(name); {
		case err == nil:
			return name, nil
		case errors.Is(err, fs.ErrPermission):
			return "", failed(126, fmt.Sprintf("%q: permission denied", name))
		case errors.Is(err, syscall.EISDIR):
			return "", failed(126, fmt.Sprintf("%q: is a directory", name))
		default:
			return "", failed(127, fmt.Sprintf("%q: stat %s: %v", name, name, errno(err)))
		}
	}
	for _, folder := range filepath.SplitList(value(asked.Env, "PATH")) {
		if path := filepath.Join(folder, name); executable(path) == nil {
			return path, nil
		}
	}
	return "", failed(127, fmt.Sprintf("%q: executable file not found in $PATH", name))
}

func executable(path string) error {
	found, err := os.Stat(path)
	if err != nil {
		return err
	}
	if found.IsDir() {
		return syscall.EISDIR
	}
	if found.Mode()&0o111 == 0 {
		return fs.ErrPermission
	}
	return nil
}

// errno is the system's own word within an error.
func errno(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// onTerminal gives the command a terminal of the host, and passes on what goes through it.
func onTerminal(program string, asked order) int {
	keyboard, screen, err := terminal()
	if err != nil {
		return refuse(refusal{126, err.Error()})
	}
	command := &exec.Cmd{
		Path: program, Args: asked.Cmd, Env: asked.Env,
		Stdin: screen, Stdout: screen, Stderr: screen,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true},
	}
	if err := command.Start(); err != nil {
		return refuse(refusal{255, fmt.Sprintf("exec %s: %v", program, errno(err))})
	}
	_ = screen.Close()
	go resize(keyboard)
	go func() {
		// The end of the input is no end of a terminal.
		_, _ = io.Copy(keyboard, os.Stdin)
	}()
	// Ends with an error when the last one has closed the terminal.
	_, _ = io.Copy(os.Stdout, keyboard)
	var left *exec.ExitError
	if err := command.Wait(); errors.As(err, &left) {
		if status, ok := left.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal())
		}
		return left.ExitCode()
	}
	return 0
}

// terminal opens a pair: the end that a person would hold, and the command's.
func terminal() (*os.File, *os.File, error) {
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	handle := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(handle, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetInt(handle, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	return keyboard, screen, err
}

// resize follows the lines "rows columns".
func resize(keyboard *os.File) {
	lines := bufio.NewScanner(os.NewFile(sizes, "sizes"))
	for lines.Scan() {
		var size unix.Winsize
		if _, err := fmt.Sscan(lines.Text(), &size.Row, &size.Col); err == nil {
			_ = unix.IoctlSetWinsize(int(keyboard.Fd()), unix.TIOCSWINSZ, &size)
		}
	}
}
