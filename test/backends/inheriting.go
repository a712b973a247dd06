// A Go server on the inherited socket of systemd's socket activation protocol.
package main

import (
	"net"
	"net/http"
	"os"
	"strconv"
)

func main() {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") != "1" {
		panic("no socket is announced to this process")
	}
	listener, err := net.FileListener(os.NewFile(3, "inherited"))
	if err != nil {
		panic(err)
	}
	version, err := os.ReadFile("version")
	if err != nil {
		panic(err)
	}
	http.Serve(listener, http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Write(version)
	}))
}
