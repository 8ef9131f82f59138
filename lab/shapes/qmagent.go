package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// What qm asks the guest agent: the agent is upstream's, and so are its limits; the words around
// them are Proxmox'.

// agentCommands are those that `qm guest cmd` passes on.
var agentCommands = []string{
	"fsfreeze-freeze", "fsfreeze-status", "fsfreeze-thaw", "fstrim", "get-fsinfo", "get-host-name",
	"get-memory-block-info", "get-memory-blocks", "get-osinfo", "get-time", "get-timezone", "get-users",
	"get-vcpus", "info", "network-get-interfaces", "ping", "shutdown", "suspend-disk", "suspend-hybrid",
	"suspend-ram",
}

// patience is how long an answer of the agent is waited for.
func patience(command string) time.Duration {
	switch command {
	case "guest-fsfreeze-freeze":
		return time.Hour
	case "guest-fsfreeze-thaw":
		return 3 * time.Minute
	case "guest-fstrim", "guest-shutdown":
		return 10 * time.Minute
	}
	return 5 * time.Second
}

// agentAsk asks the agent one thing. An error of the agent's own comes as its answer.
func agentAsk(vmid, command string, arguments map[string]any, limit time.Duration) (map[string]any, error) {
	failed := func(why string) error { return die("VM %s qmp command '%s' failed - %s", vmid, command, why) }
	wire, _, err := dial(vmid, wish{Verb: "agent"})
	if err != nil {
		return nil, failed(fmt.Sprintf("unable to connect to VM %s qga socket - %v", vmid, err))
	}
	defer wire.Close()
	_ = wire.SetDeadline(time.Now().Add(limit))
	// The agent may still have an answer to somebody else in its pipe: what follows the mark is ours.
	id := os.Getpid()*100 + 1
	ask := json.NewEncoder(wire)
	if err := errors.Join(
		ask.Encode(map[string]any{"execute": "guest-sync-delimited", "arguments": map[string]int{"id": id}}),
		ask.Encode(map[string]any{"execute": command, "arguments": arguments}),
	); err != nil {
		return nil, failed(err.Error())
	}
	if _, err := wire.lines.ReadBytes(0xff); err != nil {
		return nil, failed("got timeout")
	}
	var synced struct{ Return int }
	text, err := wire.lines.ReadBytes('\n')
	if err != nil {
		return nil, failed("got timeout")
	}
	if err := json.Unmarshal(text, &synced); err != nil || synced.Return != id {
		return nil, failed(fmt.Sprintf("got wrong command id '%d' (expected %d)", synced.Return, id))
	}
	text, err = wire.lines.ReadBytes('\n')
	if err != nil {
		if command == "guest-shutdown" && errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, failed("got timeout")
	}
	numbers := json.NewDecoder(strings.NewReader(string(text)))
	numbers.UseNumber()
	var said map[string]any
	if err := numbers.Decode(&said); err != nil {
		return nil, failed(err.Error())
	}
	return said, nil
}

// available says why the agent of a machine can't be asked.
func available(c call, conf *machineConfig) error {
	if set := conf.now["agent"]; set == "" {
		return die("No QEMU guest agent configured")
	}
	if !conf.state().Running {
		return die("VM %s is not running", c.vmid)
	}
	if _, err := agentAsk(c.vmid, "guest-ping", map[string]any{}, 3*time.Second); err != nil {
		return die("QEMU guest agent is not running")
	}
	return nil
}

// agentDo asks, and makes an error of one of the agent's.
func agentDo(c call, conf *machineConfig, command string, arguments map[string]any) (map[string]any, error) {
	if err := available(c, conf); err != nil {
		return nil, err
	}
	said, err := agentAsk(c.vmid, command, arguments, patience(command))
	if err != nil {
		return nil, err
	}
	if failed, is := said["error"].(map[string]any); is {
		return nil, die("Agent error: %v", failed["desc"])
	}
	result, _ := said["return"].(map[string]any)
	return result, nil
}

func qmGuestCommand(c call) error {
	if !slices.Contains(agentCommands, c.named["command"]) {
		return c.unfit("command", fmt.Sprintf("value '%s' does not have a value in the enumeration '%s'",
			c.named["command"], strings.Join(agentCommands, ", ")))
	}
	conf, err := load(c.vmid)
	if err != nil {
		return err
	}
	if err := available(c, conf); err != nil {
		return err
	}
	command := "guest-" + c.named["command"]
	said, err := agentAsk(c.vmid, command, map[string]any{}, patience(command))
	if err != nil {
		return err
	}
	// Here an error of the agent's is shown and is none of qm's.
	if _, is := said["error"]; is {
		return show(map[string]any{"error": said["error"]})
	}
	return show(said["return"])
}

// inputLimit is how much `--pass-stdin` takes.
const inputLimit = 1 << 20

func qmGuestExec(c call) error {
	together := c.flags["synchronous"] != "0"
	if _, given := c.flags["timeout"]; given && !together {
		return c.unfit("synchronous", "needs to be set for 'timeout'")
	}
	limit, err := c.number("timeout", 30)
	if err != nil {
		return err
	}
	arguments := map[string]any{"capture-output": true}
	if c.flags["pass-stdin"] == "1" {
		input, err := io.ReadAll(io.LimitReader(os.Stdin, inputLimit+1))
		if err != nil {
			return err
		}
		if len(input) > inputLimit {
			return die("'input-data' (STDIN) is limited to 1 MiB, aborting")
		}
		arguments["input-data"] = base64.StdEncoding.EncodeToString(input)
	}
	conf, err := load(c.vmid)
	if err != nil {
		return err
	}
	if len(c.rest) > 0 {
		arguments["path"], arguments["arg"] = c.rest[0], c.rest[1:]
	} else if _, fed := arguments["input-data"]; !fed {
		return die("command or input-data (or both) required")
	}
	begun := time.Now()
	result, err := agentDo(c, conf, "guest-exec", arguments)
	if err != nil {
		return err
	}
	if !together {
		return show(result)
	}
	pid := result["pid"]
	// Whole seconds, as Perl's time counts them.
	for limit == 0 || int(time.Now().Unix()-begun.Unix()) < limit {
		state, err := execState(c, conf, pid)
		if err != nil {
			return err
		}
		if ended, _ := state["exited"].(json.Number); ended == "1" {
			return show(state)
		}
		time.Sleep(time.Second)
	}
	fmt.Fprintln(os.Stderr, "timeout reached, returning pid")
	return show(result)
}

func qmGuestStatus(c call) error {
	conf, err := load(c.vmid)
	if err != nil {
		return err
	}
	pid, err := strconv.ParseInt(c.named["pid"], 10, 64)
	if err != nil {
		return c.unfit("pid", fmt.Sprintf("type check ('integer') failed - got '%s'", c.named["pid"]))
	}
	state, err := execState(c, conf, pid)
	if err != nil {
		return err
	}
	return show(state)
}

// execState asks how a command is; what it printed comes as its bytes, truths as 1 and 0.
func execState(c call, conf *machineConfig, pid any) (map[string]any, error) {
	state, err := agentDo(c, conf, "guest-exec-status", map[string]any{"pid": pid})
	if err != nil {
		return nil, err
	}
	for key, value := range state {
		switch {
		case value == true:
			state[key] = json.Number("1")
		case value == false:
			state[key] = json.Number("0")
		case key == "out-data" || key == "err-data":
			bytes, err := base64.StdEncoding.DecodeString(fmt.Sprint(value))
			if err != nil {
				return nil, err
			}
			state[key] = bytes
		}
	}
	return state, nil
}

// show prints as `to_json(…, {pretty => 1, canonical => 1, utf8 => 1})` does, and nothing for nothing.
func show(value any) error {
	if object, is := value.(map[string]any); is && len(object) == 0 || value == nil {
		return nil
	}
	if text, is := value.(string); is {
		if strings.TrimSpace(text) != "" {
			fmt.Println(strings.TrimSuffix(text, "\n"))
		}
		return nil
	}
	out := bufio.NewWriter(os.Stdout)
	pretty(out, value, "\n")
	_, _ = out.WriteString("\n")
	return out.Flush()
}

// pretty writes one value; every level is three spaces further in.
func pretty(out *bufio.Writer, value any, line string) {
	between := func(first bool) {
		if !first {
			_ = out.WriteByte(',')
		}
		_, _ = out.WriteString(line + "   ")
	}
	switch value := value.(type) {
	case map[string]any:
		keys := make([]string, 0, len(value))
		for key := range value {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		_ = out.WriteByte('{')
		for at, key := range keys {
			between(at == 0)
			quote(out, []rune(key))
			_, _ = out.WriteString(" : ")
			pretty(out, value[key], line+"   ")
		}
		if len(keys) > 0 {
			_, _ = out.WriteString(line)
		}
		_ = out.WriteByte('}')
	case []any:
		_ = out.WriteByte('[')
		for at, one := range value {
			between(at == 0)
			pretty(out, one, line+"   ")
		}
		if len(value) > 0 {
			_, _ = out.WriteString(line)
		}
		_ = out.WriteByte(']')
	case string:
		quote(out, []rune(value))
	case []byte:
		// Perl's JSON was never told that these are text: each byte is a character of its own, so one
		// above 127 comes out as two, and UTF-8 comes out encoded twice.
		all := make([]rune, 0, len(value))
		for _, one := range value {
			all = append(all, rune(one))
		}
		quote(out, all)
	case nil:
		_, _ = out.WriteString("null")
	default:
		_, _ = fmt.Fprint(out, value)
	}
}

// quote writes characters as Perl's JSON does.
func quote(out *bufio.Writer, text []rune) {
	const short = "\"\\\n\r\t\f\b"
	const names = "\"\\nrtfb"
	_ = out.WriteByte('"')
	for _, one := range text {
		if which := strings.IndexRune(short, one); which >= 0 {
			_, _ = out.Write([]byte{'\\', names[which]})
		} else if one < 0x20 {
			_, _ = fmt.Fprintf(out, "\\u%04x", one)
		} else {
			_, _ = out.WriteRune(one)
		}
	}
	_ = out.WriteByte('"')
}
