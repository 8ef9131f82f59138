package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test is the program too, and a static Go program that is run by it.
func TestMain(m *testing.M) {
	switch os.Getenv("CLOCK_TEST") {
	case "":
		os.Exit(m.Run())
	case "now":
		fmt.Println(time.Now().Unix())
	default:
		main()
	}
}

const year = 365 * 86400

// clock is the program with these words.
func clock(words ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], words...)
	command.Env = append(os.Environ(), "CLOCK_TEST=main")
	command.Stderr = os.Stderr
	return command
}

// off is how far from now a printed time is, in seconds.
func off(t *testing.T, printed string) int64 {
	t.Helper()
	said, err := strconv.ParseInt(strings.TrimSpace(printed), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return said - time.Now().Unix()
}

func near(t *testing.T, got, want int64) {
	t.Helper()
	if got < want-10 || got > want+10 {
		t.Errorf("the clock is off by %d s instead of %d", got, want)
	}
}

func TestEveryProgramIsWrongByAsMuch(t *testing.T) {
	for name, command := range map[string][]string{
		"itself":             {"date", "+%s"},
		"a child":            {"sh", "-c", "true; date +%s"},
		"a child of a child": {"sh", "-c", "sh -c 'sh -c \"date +%s; true\"; true'; true"},
		"another function":   {"perl", "-e", "print time"},
		"a static program":   {"env", "CLOCK_TEST=now", os.Args[0]},
	} {
		t.Run(name, func(t *testing.T) {
			said, err := clock(append([]string{strconv.Itoa(-3 * year)}, command...)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			near(t, off(t, string(said)), -3*year)
			said, err = clock(append([]string{strconv.Itoa(year)}, command...)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			near(t, off(t, string(said)), year)
		})
	}
}

func TestTheClockThatOnlyCountsIsLeftAlone(t *testing.T) {
	const script = `cut -d' ' -f1 /proc/uptime; perl -e 'use Time::HiRes; print Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC())'`
	said, err := clock(strconv.Itoa(year), "sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	var up, counted float64
	if _, err := fmt.Sscan(string(said), &up, &counted); err != nil {
		t.Fatalf("%q: %v", said, err)
	}
	if counted > up+86400 {
		t.Errorf("it counted %f s in %f s", counted, up)
	}
}

func TestHowACommandEndsIsHanded(t *testing.T) {
	var ended *exec.ExitError
	if err := clock("60", "sh", "-c", "exit 7").Run(); !errors.As(err, &ended) || ended.ExitCode() != 7 {
		t.Errorf("%v", err)
	}
	if err := clock("60", "sh", "-c", "kill -TERM $$").Run(); !errors.As(err, &ended) {
		t.Errorf("%v", err)
	} else if status, ok := ended.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("%v", err)
	}
	if err := clock("60", "/nothing/here").Run(); !errors.As(err, &ended) || ended.ExitCode() != 125 {
		t.Errorf("%v", err)
	}
}

func TestSignalsOfAShellsJobsArrive(t *testing.T) {
	const script = `sleep 100 & kill -STOP $!; sleep 0.2; cat /proc/$!/stat | cut -d' ' -f3; kill -CONT $!; sleep 0.2; cut -d' ' -f3 /proc/$!/stat; kill $!; trap 'echo caught' USR1; kill -USR1 $$; date +%s`
	said, err := clock(strconv.Itoa(-year), "sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(said))
	// A process that its tracer knows to be stopped is shown as traced.
	if len(lines) != 4 || !strings.Contains("tT", lines[0]) || lines[1] != "S" || lines[2] != "caught" {
		t.Fatalf("%q", lines)
	}
	near(t, off(t, lines[3]), -year)
}
