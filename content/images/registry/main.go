// Command registry is an OCI registry (distribution specification) for one node: it keeps blobs in /var/lib/registry and manifests in
// memory, and asks nobody who they are. It is the whole of the image of the same name.
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

const (
	address = ":5000"
	blobs   = "/var/lib/registry"
)

func main() {
	logger := log.New(os.Stdout, "", 0)
	server := &http.Server{
		Addr: address, Handler: registry.New(registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)), registry.Logger(logger)),
		ReadHeaderTimeout: 10 * time.Second,
	}
	logger.Println("listening on", address)
	logger.Fatal(server.ListenAndServe())
}
