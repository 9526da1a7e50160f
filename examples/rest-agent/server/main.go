// Command server runs the badge system of the example until it is stopped.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/metasync/metasync/examples/rest-agent/badges"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8470", "the address to listen on")
	token := flag.String("token", "token", "the file that holds the bearer token")
	flag.Parse()
	text, err := os.ReadFile(*token)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr: *address, Handler: badges.New(strings.TrimSpace(string(text))), ReadHeaderTimeout: 10 * time.Second,
	}
	fmt.Println("the badge system listens on", *address)
	log.Fatal(server.ListenAndServe())
}
