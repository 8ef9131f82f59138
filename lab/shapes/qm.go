package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// qm is the lab's stand-in for Proxmox' command of that name: the same verbs, flags, words and
// files. Where a machine's own doings are meant, it asks the hypervisor's socket.

// hypervisorSocket is where the Proxmox host finds what is below its machines.
const hypervisorSocket = "/opt/lab/hypervisor/socket"

// refused ends qm: what it says on its standard error, and its code.
type refused struct {
	text string
	code int
}

func (r *refused) Error() string { return r.text }

// die is what a Perl program ends with where no system call has left its own number.
func die(format string, values ...any) error {
	return &refused{fmt.Sprintf(format, values...), 255}
}

// A verb: its positional arguments, the flags that it knows, and what it does.
type verb struct {
	usage string
	names []string
	// flags are the names of those with a value; those of truth values end in `!`. One that ends
	// in `*` stands for all names that begin so.
	flags []string
	// rest takes all further arguments.
	rest bool
	run  func(call) error
}

// call is one call of a verb.
type call struct {
	vmid  string
	named map[string]string
	flags map[string]string
	rest  []string
	usage string
}

// Verbs that qm also knows by other names.
var aliases = map[string]string{
	"disk import": "importdisk", "disk resize": "resize", "agent": "guest cmd",
}

func verbs() map[string]verb {
	config := []string{"skiplock!", "delete", "force!", "digest", "revert"}
	for _, key := range settings {
		config = append(config, key)
	}
	return map[string]verb{
		"list":    {"qm list [OPTIONS]", nil, []string{"full!"}, false, qmList},
		"status":  {"qm status <vmid> [OPTIONS]", []string{"vmid"}, []string{"verbose!"}, false, qmStatus},
		"config":  {"qm config <vmid> [OPTIONS]", []string{"vmid"}, []string{"current!"}, false, qmConfig},
		"pending": {"qm pending <vmid>", []string{"vmid"}, nil, false, qmPending},
		"set":     {"qm set <vmid> [OPTIONS]", []string{"vmid"}, config, false, qmSet},
		"unlock":  {"qm unlock <vmid>", []string{"vmid"}, nil, false, qmUnlock},
		"start":   {"qm start <vmid> [OPTIONS]", []string{"vmid"}, []string{"skiplock!", "timeout"}, false, qmStart},
		"stop":    {"qm stop <vmid> [OPTIONS]", []string{"vmid"}, []string{"skiplock!", "timeout"}, false, qmStop},
		"reset":   {"qm reset <vmid> [OPTIONS]", []string{"vmid"}, []string{"skiplock!"}, false, qmReset},
		"shutdown": {"qm shutdown <vmid> [OPTIONS]", []string{"vmid"},
			[]string{"skiplock!", "timeout", "forceStop!"}, false, qmShutdown},
		"reboot": {"qm reboot <vmid> [OPTIONS]", []string{"vmid"}, []string{"timeout"}, false, qmReboot},
		"wait":   {"qm wait <vmid> [OPTIONS]", []string{"vmid"}, []string{"timeout"}, false, qmWait},
		"importdisk": {"qm disk import <vmid> <source> <storage> [OPTIONS]", []string{"vmid", "source", "storage"},
			[]string{"format", "target-disk"}, false, qmImport},
		"resize": {"qm disk resize <vmid> <disk> <size> [OPTIONS]", []string{"vmid", "disk", "size"},
			[]string{"skiplock!"}, false, qmResize},
		"guest cmd": {"qm guest cmd <vmid> <command>", []string{"vmid", "command"}, nil, false, qmGuestCommand},
		"guest exec": {"qm guest exec <vmid> [<extra-args>] [OPTIONS]", []string{"vmid"},
			[]string{"synchronous!", "timeout", "pass-stdin!"}, true, qmGuestExec},
		"guest exec-status": {"qm guest exec-status <vmid> <pid>", []string{"vmid", "pid"}, nil, false, qmGuestStatus},
	}
}

// runQm does what one call says, and gives the code to end with.
func runQm(words []string) int {
	err := qm(words)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, strings.TrimSuffix(err.Error(), "\n"))
	var known *refused
	if errors.As(err, &known) {
		return known.code
	}
	return 255
}

func qm(words []string) error {
	known := verbs()
	for length := 2; length > 0; length-- {
		if len(words) < length {
			continue
		}
		name := strings.Join(words[:length], " ")
		if other, is := aliases[name]; is {
			name = other
		}
		if found, is := known[name]; is {
			made, err := parse(found, words[length:])
			if err != nil {
				return err
			}
			return found.run(made)
		}
	}
	if len(words) == 0 {
		return die("ERROR: no command specified\nUSAGE: qm <COMMAND> [ARGS] [OPTIONS]")
	}
	return die("ERROR: unknown command 'qm %s'\nUSAGE: qm <COMMAND> [ARGS] [OPTIONS]", words[0])
}

// unfit is what a wrong argument is answered with, and how it should have been.
func (c call) unfit(name, why string) error {
	return die("400 Parameter verification failed.\n%s: %s\n%s", name, why, c.usage)
}

// parse takes flags from anywhere before `--`, as Getopt::Long does.
func parse(found verb, words []string) (call, error) {
	made := call{named: map[string]string{}, flags: map[string]string{}, usage: found.usage}
	var plain []string
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "--" {
			plain = append(plain, words...)
			break
		}
		if !strings.HasPrefix(word, "-") || word == "-" {
			plain = append(plain, word)
			continue
		}
		name, value, valued := strings.Cut(strings.TrimLeft(word, "-"), "=")
		truth := slices.Contains(found.flags, name+"!")
		if !truth && !slices.ContainsFunc(found.flags, func(flag string) bool { return fits(flag, name) }) {
			return made, die("Unknown option: %s\n400 unable to parse option\n%s", name, found.usage)
		}
		switch {
		case valued:
		case truth:
			// A truth value may stand alone.
			value = "1"
			if len(words) > 0 && isTruth(words[0]) {
				value, words = words[0], words[1:]
			}
		case len(words) == 0:
			return made, die("Option %s requires an argument\n400 unable to parse option\n%s", name, found.usage)
		default:
			value, words = words[0], words[1:]
		}
		if truth {
			if !isTruth(value) {
				return made, made.unfit(name, fmt.Sprintf("type check ('boolean') failed - got '%s'", value))
			}
			value = map[bool]string{true: "1", false: "0"}[slices.Contains([]string{"1", "on", "yes", "true"}, value)]
		}
		made.flags[name] = value
	}
	if len(plain) < len(found.names) {
		return made, die("400 not enough arguments\n%s", found.usage)
	}
	for at, name := range found.names {
		made.named[name] = plain[at]
	}
	made.vmid = made.named["vmid"]
	made.rest = plain[len(found.names):]
	if len(made.rest) > 0 && !found.rest {
		return made, die("400 too many arguments\n%s", found.usage)
	}
	if made.vmid != "" && !vmids.MatchString(made.vmid) {
		return made, made.unfit("vmid", fmt.Sprintf("type check ('integer') failed - got '%s'", made.vmid))
	}
	return made, nil
}

var vmids = regexp.MustCompile(`^[0-9]+$`)

func fits(flag, name string) bool {
	if beginning, all := strings.CutSuffix(flag, "*"); all {
		rest, begins := strings.CutPrefix(name, beginning)
		return begins && vmids.MatchString(rest)
	}
	return flag == name
}

func isTruth(word string) bool {
	return slices.Contains([]string{"1", "on", "yes", "true", "0", "off", "no", "false"}, word)
}

// number is a flag's value as a number.
func (c call) number(name string, otherwise int) (int, error) {
	text, given := c.flags[name]
	if !given {
		return otherwise, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		return 0, c.unfit(name, fmt.Sprintf("type check ('integer') failed - got '%s'", text))
	}
	if value < 0 {
		return 0, c.unfit(name, "value must have a minimum value of 0")
	}
	return value, nil
}

// below asks what is below the machines.
func below(verb, vmid, disk string) (*reply, error) {
	_, said, err := dial(vmid, wish{Verb: verb, Disk: disk})
	return said, err
}

func dial(vmid string, asked wish) (*wire, *reply, error) {
	number, err := strconv.Atoi(vmid)
	if err != nil {
		return nil, nil, err
	}
	asked.VM = number
	connection, err := net.Dial("unix", hypervisorSocket)
	if err != nil {
		return nil, nil, err
	}
	if err := json.NewEncoder(connection).Encode(asked); err != nil {
		return nil, nil, err
	}
	through := &wire{connection, bufio.NewReader(connection)}
	text, err := through.lines.ReadBytes('\n')
	if err != nil {
		return nil, nil, err
	}
	said := &reply{}
	if err := json.Unmarshal(text, said); err != nil {
		return nil, nil, err
	}
	if said.Error != "" {
		connection.Close()
		return nil, nil, errors.New(said.Error)
	}
	if asked.Verb != "agent" {
		connection.Close()
	}
	return through, said, nil
}

// wire is a connection of which one line has been read.
type wire struct {
	net.Conn
	lines *bufio.Reader
}
