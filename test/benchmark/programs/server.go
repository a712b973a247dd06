// A server that starts fast and answers with the version it read at the start: server PORT
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	version, err := os.ReadFile("version.txt")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(writer http.ResponseWriter, _ *http.Request) {
		writer.Write(version)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
