// Go's net/http: server PORT
package main

import (
	"bytes"
	"log"
	"net/http"
	"os"
)

var names = []string{
	"version", "source/version.py", "settings/version.toml", "templates/version.html",
}

func main() {
	var found [][]byte
	for _, name := range names {
		if content, err := os.ReadFile(name); err == nil {
			found = append(found, content)
		}
	}
	versions, large := bytes.Join(found, []byte(" ")), bytes.Repeat([]byte("x"), 200_000)
	http.HandleFunc("/", func(out http.ResponseWriter, request *http.Request) {
		out.Header().Set("Content-Type", "text/plain")
		if request.URL.Path == "/large" {
			out.Write(large)
		} else {
			out.Write(versions)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
