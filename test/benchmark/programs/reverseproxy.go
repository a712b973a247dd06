// Go's reverse proxy, with its pool of connections tuned: reverseproxy LISTEN-PORT BACKEND-PORT
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

func main() {
	backend, err := url.Parse("http://127.0.0.1:" + os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(backend)
	// The default keeps two idle connections to a host and opens a new one for every other request.
	proxy.Transport = &http.Transport{
		MaxIdleConns:        1024,
		MaxIdleConnsPerHost: 1024,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
		WriteBufferSize:     64 << 10,
		ReadBufferSize:      64 << 10,
	}
	proxy.FlushInterval = -1
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], proxy))
}
