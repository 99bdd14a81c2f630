// Command podlab-image builds, pushes, pulls and lists images on the node that it runs on. The node's container command hands its verbs
// over: container build, push, pull, images, tag, rmi.
//
// What a learner makes lies on the node's own disk, in a directory of images over the host's, which nobody can write to; it ends with
// the node. Each RUN is a container of the agent's like any other, and what it wrote, the upper directory of its overlay, is the new
// layer. Nothing of it runs on the host.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/client"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/image/store"
)

// Places in the node.
const (
	agentSocket = "/run/podlab/agent.sock"
	hostImages  = "/var/lib/podlab/images"
	nodeImages  = "/var/lib/podlab/disk/images"
	workDir     = "/var/lib/podlab/disk/build"
)

// created is the time in every image built here: the same steps give the same image.
var created = time.Unix(0, 0).UTC()

// anywhere: the node's network ends at the node's own, so every registry in it may be asked, by http too.
var anywhere = store.Access{Any: true}

// program is one run.
type program struct {
	agent    sandbox.Agent
	words    words
	out, err io.Writer
}

// command is one verb.
type command struct {
	usage string
	run   func(p *program, ctx context.Context, args []string) error
}

var commands = map[string]command{
	"build":  {"build [-t NAME] [-f FILE] DIR", (*program).build},
	"images": {"images", (*program).images},
	"pull":   {"pull REGISTRY/NAME[:TAG]", (*program).pull},
	"push":   {"push REGISTRY/NAME[:TAG]", (*program).push},
	"rmi":    {"rmi NAME…", (*program).remove},
	"tag":    {"tag NAME NEW", (*program).tag},
}

// errUsage asks for the verb's usage.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	p := &program{agent: client.Agent{Socket: agentSocket}, words: wordsFor(os.Getenv("PODLAB_LANG")), out: os.Stdout, err: os.Stderr}
	code := p.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func (p *program) main(ctx context.Context, args []string) int {
	if len(args) == 0 {
		args = []string{""}
	}
	c, known := commands[args[0]]
	if !known {
		for _, verb := range []string{"build", "images", "tag", "push", "pull", "rmi"} {
			fmt.Fprintln(p.err, "  container "+commands[verb].usage)
		}
		return 2
	}
	err := c.run(p, ctx, args[1:])
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(p.err, p.words.say("usage", "container "+c.usage))
		return 2
	case ctx.Err() != nil:
		return 130
	}
	fmt.Fprintln(p.err, p.words.problem(err))
	return 1
}

// open takes the node's directory of images.
func open() (*store.Store, error) { return store.OpenNode(nodeImages, hostImages) }

// with opens the images for fn.
func with(fn func(s *store.Store, reader *image.Store) error) error {
	s, err := open()
	if err != nil {
		return err
	}
	defer s.Close()
	reader, err := s.Reader()
	if err != nil {
		return err
	}
	return fn(s, reader)
}

func (p *program) pull(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	return with(func(s *store.Store, _ *image.Store) error {
		img, err := s.Pull(ctx, args[0], anywhere)
		if err == nil {
			fmt.Fprintln(p.out, img.Name, img.Manifest)
		}
		return err
	})
}

func (p *program) push(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	return with(func(s *store.Store, reader *image.Store) error {
		img, err := reader.Lookup(args[0])
		if err != nil {
			return err
		}
		made, err := s.OCI(img, created)
		if err != nil {
			return err
		}
		layers, err := made.Layers()
		if err != nil {
			return err
		}
		for _, l := range layers {
			digest, _ := l.Digest() // known: the image was put together from it
			bytes, _ := l.Size()
			fmt.Fprintf(p.out, "%s  %s\n", digest, megabytes(bytes))
		}
		digest, err := store.Push(ctx, made, args[0], anywhere)
		if err == nil {
			fmt.Fprintln(p.out, p.words.say("pushed", args[0], digest))
		}
		return err
	})
}

func (p *program) tag(_ context.Context, args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	return with(func(s *store.Store, reader *image.Store) error {
		img, err := reader.Lookup(args[0])
		if err != nil {
			return err
		}
		if img.Name, err = checkName(args[1]); err != nil {
			return err
		}
		img.Source, img.Manifest = "tag of "+args[0], "" // its blobs, if it has any, are in another layout
		return s.Add(img)
	})
}

func (p *program) remove(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	return with(func(s *store.Store, _ *image.Store) error {
		if err := s.Remove(args...); err != nil {
			return err
		}
		used, err := p.layersInUse(ctx)
		if err != nil {
			return err
		}
		_, err = s.CollectBut(used)
		return err
	})
}

// layersInUse are the layers that containers stand on, by DiffID.
func (p *program) layersInUse(ctx context.Context) (map[string]bool, error) {
	now, err := p.agent.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if len(now.Truncated) > 0 {
		return nil, fmt.Errorf("the node has too much on it to free layers: %v", now.Truncated)
	}
	used := map[string]bool{}
	for _, c := range now.Containers {
		for _, l := range c.Layers {
			used[l.Digest] = true
		}
	}
	return used, nil
}

func (p *program) images(_ context.Context, args []string) error {
	if len(args) != 0 {
		return errUsage
	}
	reader, err := image.Open(hostImages, nodeImages)
	if err != nil {
		return err
	}
	return p.list(reader)
}
