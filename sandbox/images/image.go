package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/image/store"
)

// dataDir is the flag that all of them share.
type dataDir struct {
	Data string `help:"Directory of images, disks and state." default:"/var/lib/podlab" placeholder:"DIR"`
}

func (d dataDir) path() string { return filepath.Join(d.Data, "images") }

// open takes the host's images for writing.
func (d dataDir) open() (*store.Store, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the host's images are root's: use sudo")
	}
	return store.Open(d.path())
}

type lsCmd struct{ dataDir }

func (c *lsCmd) Run() error {
	opened, err := image.Open(c.path())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no images in %s: sudo ./scripts/images makes them", c.path())
	}
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tID\tLAYERS\tSIZE\tOWN\tFROM")
	seen, total := map[string]bool{}, int64(0)
	for _, img := range opened.List() {
		own := int64(0)
		for _, l := range img.Layers {
			if users(opened.List(), l.Digest) == 1 {
				own += l.Bytes
			}
			if !seen[l.Digest] {
				seen[l.Digest], total = true, total+l.Bytes
			}
		}
		from := img.Source
		if from == "" {
			from = "scripts/images"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", img.Name, short(img.Digest), len(img.Layers), megabytes(img.Size), megabytes(own), from)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "%d layers, %s: each counted once\n", len(seen), megabytes(total))
	return nil
}

// users is how many images stand on a layer.
func users(images []image.Image, digest string) (n int) {
	for _, img := range images {
		for _, l := range img.Layers {
			if l.Digest == digest {
				n++
				break
			}
		}
	}
	return n
}

func short(digest string) string {
	digits := strings.TrimPrefix(digest, "sha256:")
	return digits[:min(12, len(digits))]
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

type pullCmd struct {
	dataDir
	Ref        string   `arg:"" help:"Such as registry.example/team/app:v1."`
	Registries []string `help:"Registries that may be asked: HOST[:PORT],…; docker.io for Docker's. None by default." env:"PODLAB_REGISTRIES" placeholder:"HOST"`
	Insecure   []string `help:"Of these, those that may be asked by http. Loopback addresses may be anyway." env:"PODLAB_INSECURE" placeholder:"HOST"`
}

func (c *pullCmd) Run(e *env) error {
	images, err := c.open()
	if err != nil {
		return err
	}
	defer images.Close()
	img, err := images.Pull(e.ctx, c.Ref, store.Access{Registries: c.Registries, Insecure: c.Insecure})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, img.Name, img.Manifest)
	return nil
}

type importCmd struct {
	dataDir
	File string `arg:"" help:"The archive; - for standard input."`
	As   string `help:"What its one image shall be called." placeholder:"NAME"`
}

func (c *importCmd) Run(e *env) error {
	archive := os.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		archive = f
	}
	images, err := c.open()
	if err != nil {
		return err
	}
	defer images.Close()
	added, err := images.Import(e.ctx, archive, c.As)
	if err != nil {
		return err
	}
	for _, img := range added {
		fmt.Fprintln(os.Stdout, img.Name, img.Manifest)
	}
	return nil
}

type rmCmd struct {
	dataDir
	Names []string `arg:"" name:"name" help:"As ls shows them."`
}

func (c *rmCmd) Run() error {
	images, err := c.open()
	if err != nil {
		return err
	}
	defer images.Close()
	return images.Remove(c.Names...)
}

type gcCmd struct{ dataDir }

// quiet is how long a layer must have been in no image before it goes: a node that is being made is not listed yet.
const quiet = time.Minute

func (c *gcCmd) Run(e *env) error {
	images, err := c.open()
	if err != nil {
		return err
	}
	defer images.Close()
	oldest, err := e.oldestNode()
	if err != nil {
		return err
	}
	freed, err := images.Collect(oldest, quiet)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "%d layers and %d blobs removed, %s\n", freed.Layers, freed.Blobs, megabytes(freed.Bytes))
	if freed.Held > 0 {
		fmt.Fprintf(os.Stdout, "%d layers stay for now: nodes that run, or start, may stand on them\n", freed.Held)
	}
	return nil
}

// oldestNode is when the oldest node that lives was started; zero when there is none. Nodes outlive the daemon: without it, only a state
// directory that is empty says that there are none.
func (e *env) oldestNode() (oldest time.Time, err error) {
	ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
	defer cancel()
	nodes, err := e.nodes.List(ctx)
	if err != nil {
		left, readErr := os.ReadDir(filepath.Join(e.run, "sandboxd"))
		if errors.Is(readErr, fs.ErrNotExist) || readErr == nil && len(left) == 0 {
			return time.Time{}, nil
		}
		return time.Time{}, fmt.Errorf("nodes may run, and the daemon does not say which: %w", err)
	}
	for _, n := range nodes {
		if at := started(n); oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest, nil
}

func started(n sandbox.Node) time.Time { return time.UnixMilli(n.Started) }
