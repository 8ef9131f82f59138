// tool is what the lab's pods run beside busybox: a small server, and an eater of memory.
//
//	tool serve ADDRESS    answers every request with its own name and the path
//	tool get URL          prints what is there
//	tool eat MIB          takes so much memory, says so, and holds it
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fail("give one of: serve ADDRESS, get URL, eat MIB")
	}
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2])
	case "get":
		get(os.Args[2])
	case "eat":
		eat(os.Args[2])
	default:
		fail("give one of: serve ADDRESS, get URL, eat MIB")
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "tool: "+why)
	os.Exit(1)
}

func serve(address string) {
	name, _ := os.Hostname()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s\n", name, r.URL.Path)
	})
	// The first process of a container gets no signal that it does not ask for.
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-ended
		fmt.Println("ending")
		os.Exit(0)
	}()
	fmt.Println("listening on", address)
	fail(http.ListenAndServe(address, nil).Error())
}

func get(url string) {
	client := &http.Client{Timeout: 10 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		fail(err.Error())
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		fail(err.Error())
	}
}

func eat(amount string) {
	wanted, err := strconv.Atoi(amount)
	if err != nil || wanted < 0 {
		fail(amount + " is no number of MiB")
	}
	var held [][]byte
	for len(held) < wanted {
		piece := make([]byte, 1<<20)
		for i := 0; i < len(piece); i += 4096 {
			piece[i] = 1 // only a page that was written to is there
		}
		held = append(held, piece)
		if len(held)%16 == 0 {
			fmt.Println("holding", len(held), "MiB")
		}
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
	fmt.Println("held", len(held), "MiB")
}
