// Command podlab-images keeps the host's images: it makes those of content/images (scripts/images), and lists, pulls, imports and removes
// others (podlab image). It is run by root; what reads a stranger's bytes runs jailed (package jail).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"

	"podlab/sandbox"
	"podlab/sandbox/client"
	"podlab/sandbox/internal/image/build"
	"podlab/sandbox/internal/image/store"
)

// commands is the whole command line.
type commands struct {
	Run string `help:"Directory of the daemon's sockets." default:"/run/podlab" env:"PODLAB_RUN" placeholder:"DIR"`

	Ls     lsCmd     `cmd:"" help:"List the images."`
	Pull   pullCmd   `cmd:"" help:"Fetch an image from a registry."`
	Import importCmd `cmd:"" help:"Add the images of an archive: docker save's, or a tar of an OCI image layout."`
	Rm     rmCmd     `cmd:"" help:"Remove images; gc frees their space."`
	Gc     gcCmd     `cmd:"" help:"Remove layers that no image and no node needs."`
	Build  buildCmd  `cmd:"" help:"Make the images of content/images, as scripts/images does."`
}

// env is what every command is given.
type env struct {
	ctx   context.Context
	run   string
	nodes sandbox.Nodes
}

func main() {
	store.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var c commands
	parsed := kong.Parse(&c, kong.Name("podlab image"), kong.Description("The host's images."), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	err := parsed.Run(&env{ctx: ctx, run: c.Run, nodes: client.Daemon{Socket: filepath.Join(c.Run, "sandboxd.sock")}})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "podlab image:", err)
		os.Exit(1)
	}
}

type buildCmd struct {
	Names   []string `arg:"" optional:"" name:"name" help:"Optional images to make besides the usual ones."`
	Recipes string   `help:"Folder of the recipes." default:"content/images" placeholder:"DIR"`
	Out     string   `help:"Folder that the images are written to." default:"/var/lib/podlab/images" placeholder:"DIR"`
	Cache   string   `help:"Folder that keeps Debian packages." default:"/var/lib/podlab/cache" placeholder:"DIR"`
	Upgrade bool     `help:"Look for newer Debian packages even if no recipe changed."`
}

func (c *buildCmd) Run(e *env) error {
	err := build.Run(e.ctx, build.Settings{Recipes: c.Recipes, Out: c.Out, Cache: c.Cache, Upgrade: c.Upgrade, Names: c.Names})
	if err != nil {
		return err
	}
	return c.tell(e)
}
