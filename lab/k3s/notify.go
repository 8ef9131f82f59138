package main

import (
	"net"
	"os"
)

// notify tells systemd a state (sd_notify): one datagram to the socket it named.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		log.error("Failed to notify systemd: %v", err)
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}
