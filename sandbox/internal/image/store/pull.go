package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/image/jail"
)

// thisArch is the machine's architecture as OCI names it.
const thisArch = runtime.GOARCH

// Access says which registries may be asked, and how. The zero value lets none.
type Access struct {
	Registries []string `json:"registries"` // HOST or HOST:PORT, as in a reference; docker.io for Docker's
	Insecure   []string `json:"insecure"`   // of these, which may be asked by http; loopback addresses may be anyway
	Any        bool     `json:"any"`        // all of them, by http too: inside a node, where the network ends
}

type pullArgs struct {
	Access
	Ref string `json:"ref"`
}

// Pull adds an image of a registry. Every blob is what its digest says, and with NAME@sha256:… the image is too.
func (s *Store) Pull(ctx context.Context, ref string, access Access) (image.Image, error) {
	parsed, err := access.parse(ref)
	if err != nil {
		return image.Image{}, err
	}
	stage, err := s.stage()
	if err != nil {
		return image.Image{}, err
	}
	defer os.RemoveAll(stage)
	into := filepath.Join(stage, ociDir)
	if err := os.Mkdir(into, 0o700); err != nil {
		return image.Image{}, err
	}
	var got []Fetched
	args := pullArgs{access, ref}
	if s.jailed {
		if err := lendFiles(into); err != nil {
			return image.Image{}, err
		}
		err = jail.Run(ctx, jail.Job{Task: taskPull, Args: args, Dir: into, Network: true}, &got)
	} else {
		got, err = fetchRemote(ctx, args, into)
	}
	if err != nil {
		return image.Image{}, err
	}
	if len(got) != 1 {
		return image.Image{}, errors.New("the registry's answer is no image")
	}
	source := parsed.Context().Name() + "@" + got[0].Manifest
	images, err := s.install(ctx, stage, got, source)
	if err != nil {
		return image.Image{}, err
	}
	return images[0], nil
}

// lendFiles puts what finding and trusting a server takes into the jail.
func lendFiles(dir string) error {
	for _, file := range []string{"etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"} {
		data, err := os.ReadFile("/" + file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// parse reads a reference and refuses those of registries that may not be asked.
func (a Access) parse(ref string) (name.Reference, error) {
	var options []name.Option
	if a.Any {
		options = append(options, name.Insecure)
	}
	parsed, err := name.ParseReference(ref, options...)
	if err != nil {
		return nil, err
	}
	if registry := host(parsed); !a.Any && !slices.Contains(a.Registries, registry) {
		return nil, fmt.Errorf("registry %s may not be asked: the operator lists those that may with --registries (now: %s)", registry, orNone(a.Registries))
	}
	if slices.Contains(a.Insecure, host(parsed)) {
		return name.ParseReference(ref, name.Insecure)
	}
	return parsed, nil
}

// host is the registry of a reference as an operator writes it.
func host(ref name.Reference) string {
	if registry := ref.Context().RegistryStr(); registry != name.DefaultRegistry {
		return registry
	}
	return "docker.io"
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// fetchRemote brings an image of a registry into an OCI layout at dir.
func fetchRemote(ctx context.Context, args pullArgs, dir string) ([]Fetched, error) {
	ref, err := args.parse(args.Ref)
	if err != nil {
		return nil, err
	}
	img, err := remote.Image(ref, args.options(ctx, ref)...)
	if err != nil {
		return nil, err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	total := manifest.Config.Size
	for _, l := range manifest.Layers {
		if total += l.Size; l.Size < 0 || total > maxArchive || len(manifest.Layers) > image.MaxLayers {
			return nil, fmt.Errorf("the image is larger than %d bytes or has more than %d layers", int64(maxArchive), image.MaxLayers)
		}
	}
	to, err := emptyLayout(dir)
	if err != nil {
		return nil, err
	}
	digest, err := addImage(to, img)
	if err != nil {
		return nil, err
	}
	return []Fetched{{args.Ref, digest}}, nil
}

// options of every request to a registry: nobody's credentials, this machine's architecture.
func (a Access) options(ctx context.Context, ref name.Reference) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithAuth(authn.Anonymous), remote.WithJobs(2),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: thisArch}),
		remote.WithTransport(&transport{access: a, registry: ref.Context().RegistryStr(), base: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		}}),
	}
}

// transport refuses what would go over the network in the clear: to whatever address a registry sends the client on. go-containerregistry
// by itself also takes http for private addresses.
type transport struct {
	access   Access
	registry string
	base     http.RoundTripper
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !t.mayBePlain(r.URL.Host) {
		return nil, fmt.Errorf("%s is asked by https only; the operator may allow http with --insecure %s", r.URL.Host, r.URL.Host)
	}
	return t.base.RoundTrip(r)
}

func (t *transport) mayBePlain(host string) bool {
	switch {
	case t.access.Any:
		return true
	case host != t.registry:
		return false
	}
	return slices.Contains(t.access.Insecure, host) || isLoopback(host)
}

func isLoopback(host string) bool {
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Push sends an image to a registry as ref.
func Push(ctx context.Context, img v1.Image, ref string, access Access) (digest string, err error) {
	parsed, err := access.parse(ref)
	if err != nil {
		return "", err
	}
	if err := remote.Write(parsed, img, access.options(ctx, parsed)...); err != nil {
		return "", err
	}
	hash, err := img.Digest()
	return hash.String(), err
}
