package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/image/dockerfile"
	"podlab/sandbox/internal/image/layer"
	"podlab/sandbox/internal/image/store"
)

// build makes an image by a build file.
func (p *program) build(ctx context.Context, args []string) error {
	tag, file, dir := "", "", ""
	for i := 0; i < len(args); i++ {
		switch {
		case (args[i] == "-t" || args[i] == "-f") && i+1 < len(args):
			if args[i] == "-t" {
				tag = args[i+1]
			} else {
				file = args[i+1]
			}
			i++
		case dir == "" && !strings.HasPrefix(args[i], "-"):
			dir = args[i]
		default:
			return errUsage
		}
	}
	if dir == "" {
		return errUsage
	}
	if file == "" {
		file = filepath.Join(dir, "Dockerfile")
	}
	if tag == "" {
		tag = "built"
	}
	called, err := checkName(tag)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	steps, err := dockerfile.Parse(string(text))
	if err != nil {
		return err
	}
	return with(func(s *store.Store, reader *image.Store) error {
		b := &building{program: p, store: s, reader: reader, context: dir}
		return b.all(ctx, steps, called)
	})
}

// building is an image while it is built.
type building struct {
	*program
	store   *store.Store
	reader  *image.Store
	context string // directory that COPY takes from
	work    string
	image   image.Image
}

func (b *building) all(ctx context.Context, steps []dockerfile.Step, called string) (err error) {
	if err := os.MkdirAll(workDir, 0o700); err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp(workDir, ""); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	for i, step := range steps {
		fmt.Fprintf(b.out, "%s\n", b.words.say("step", fmt.Sprint(i+1), fmt.Sprint(len(steps)), step.String()))
		before := len(b.image.Layers)
		if err := b.step(ctx, step); err != nil {
			return &stepError{step.Line, err}
		}
		if added := b.image.Layers[before:]; step.Name != dockerfile.From && len(added) > 0 {
			fmt.Fprintf(b.out, " ---> %s  %s\n", added[0].Digest, megabytes(added[0].Bytes))
		}
	}
	b.image.Name, b.image.Source = called, "built"
	made, err := b.store.OCI(b.image, created)
	if err != nil {
		return err
	}
	digest, err := made.ConfigName()
	if err != nil {
		return err
	}
	b.image.Digest = digest.String()
	if err := b.store.Add(b.image); err != nil {
		return err
	}
	fmt.Fprintln(b.out, b.words.say("built", called, b.image.Digest))
	return nil
}

// errLayers is in the chain when the image has no room for another layer.
var errLayers = errors.New("too many layers")

// stepError is what went wrong in a line of the build file.
type stepError struct {
	line int
	err  error
}

func (e *stepError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *stepError) Unwrap() error { return e.err }

func (b *building) step(ctx context.Context, s dockerfile.Step) error {
	switch s.Name {
	case dockerfile.From:
		return b.from(ctx, s.Args[0])
	case dockerfile.Env:
		for _, v := range s.Args {
			name, _, _ := strings.Cut(v, "=")
			b.image.Config.Env = slices.DeleteFunc(slices.Clone(b.image.Config.Env), func(old string) bool { return strings.HasPrefix(old, name+"=") })
			b.image.Config.Env = append(b.image.Config.Env, v)
		}
		return nil
	case dockerfile.Cmd:
		b.image.Config.Cmd, b.image.Config.Entrypoint = s.Args, nil
		return nil
	case dockerfile.Workdir:
		b.image.Config.WorkingDir = b.absolute(s.Args[0])
		return b.withRoot(s, func(root string) error { return makeBelow(root, b.image.Config.WorkingDir) })
	case dockerfile.Copy:
		return b.withRoot(s, func(root string) error { return b.copy(root, s.Args) })
	case dockerfile.Run:
		return b.run(ctx, s)
	}
	return fmt.Errorf("%s is not known", s.Name)
}

// absolute makes a path of the image from one that may be relative to the working directory.
func (b *building) absolute(dir string) string {
	if path.IsAbs(dir) {
		return path.Clean(dir)
	}
	return path.Join("/", b.image.Config.WorkingDir, dir)
}

// from begins with an image that is here, or in the registry that its name says.
func (b *building) from(ctx context.Context, ref string) error {
	img, err := b.reader.Lookup(ref)
	if err != nil && hasRegistry(ref) {
		img, err = b.store.Pull(ctx, ref, anywhere)
	}
	if err == nil && img.Internal {
		err = sandbox.Errorf(sandbox.CodeDenied)
	}
	img.Manifest = ""
	img.Layers = slices.Clone(img.Layers)
	b.image = img
	return err
}

// hasRegistry reports whether a reference names its registry: its first part looks like a host.
func hasRegistry(ref string) bool {
	first, _, deeper := strings.Cut(ref, "/")
	return deeper && (strings.ContainsAny(first, ".:") || first == "localhost")
}

// commit makes a directory that lies over the image a layer of it. A step that wrote nothing adds none.
func (b *building) commit(dir string, s dockerfile.Step) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return err
	}
	if len(b.image.Layers) == image.MaxLayers {
		return errLayers
	}
	if err := layer.Settle(dir); err != nil {
		return err
	}
	diffID, bytes, err := layer.DiffID(dir)
	if err != nil {
		return err
	}
	if err := b.store.AddLayer(dir, diffID); err != nil {
		return err
	}
	b.image.Layers = append(b.image.Layers, image.Layer{Digest: diffID, Bytes: bytes, CreatedBy: s.String()})
	b.image.Size += bytes
	return nil
}

// run has the agent run a command in a container of the image as it is so far.
func (b *building) run(ctx context.Context, s dockerfile.Step) (err error) {
	temporary := b.image
	temporary.Name, temporary.Source = "build/"+filepath.Base(b.work), "build"
	if err := b.store.Add(temporary); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.store.Remove(temporary.Name)) }()
	upper, forget, err := b.runContainer(ctx, "build-"+filepath.Base(b.work), temporary.Name, s.Args)
	defer forget()
	if err != nil {
		return err
	}
	dir := filepath.Join(b.work, fmt.Sprint(len(b.image.Layers)))
	if err := os.Rename(upper, dir); err != nil {
		return err
	}
	if err := tidy(dir); err != nil {
		return err
	}
	return b.commit(dir, s)
}

// tidy takes away what the engine put in a container's way to mount over, where the command did not write to it.
func tidy(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, file := range []string{"etc/hosts", "etc/hostname", "etc/resolv.conf"} {
		if info, err := root.Lstat(file); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			if err := root.Remove(file); err != nil {
				return err
			}
		}
	}
	for _, empty := range []string{"dev/shm", "dev/pts", "dev/mqueue", "dev", "proc", "sys", "etc"} {
		_ = root.Remove(empty) // not there, or not empty: then it stays
	}
	return nil
}
