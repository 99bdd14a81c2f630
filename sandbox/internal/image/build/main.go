// Command build makes the host's images from the recipes in content/images: Debian packages, files of the repository, and
// programs compiled from it. It asks no registry. The same inputs give the same digests, so a second run has nothing to do.
//
// It writes DIR/layers first and DIR/index.json last, each by rename: who reads the directory sees the old images or the new
// ones. It must be root, since a layer's files belong to the image's users.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/image"
)

// epoch is the time of every file in every layer unless SOURCE_DATE_EPOCH says otherwise: 2026-01-01 UTC.
const epoch = 1767225600

func main() {
	var b builder
	flag.StringVar(&b.recipes, "recipes", "content/images", "`folder` of the recipes")
	flag.StringVar(&b.out, "out", "/var/lib/podlab/images", "`folder` the images are written to")
	flag.StringVar(&b.cache, "cache", "/var/lib/podlab/cache", "`folder` that keeps Debian packages")
	flag.BoolVar(&b.upgrade, "upgrade", false, "look for newer Debian packages even if no recipe changed")
	flag.BoolVar(&b.prune, "prune", false, "remove layers of earlier images; no node may be running")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

// sources are this program's own: with a new way of making them the images are made anew.
//
//go:embed *.go
var sources embed.FS

// say prints one line of progress.
func say(format string, args ...any) { fmt.Printf("  images: "+format+"\n", args...) }

type builder struct {
	recipes, out, cache string
	upgrade, prune      bool

	at     time.Time
	debs   *debs
	trees  map[string][]Tree // by image, lowest first
	images map[string]image.Image
}

func (b *builder) run(ctx context.Context) error {
	if err := b.setTime(); err != nil {
		return err
	}
	inputs, err := b.inputs()
	if err != nil {
		return err
	}
	if !b.upgrade && b.current(inputs) {
		say("nothing changed")
		return nil
	}
	return b.build(ctx, inputs)
}

func (b *builder) setTime() error {
	b.at = time.Unix(epoch, 0).UTC()
	s := os.Getenv("SOURCE_DATE_EPOCH")
	if s == "" {
		return nil
	}
	sec, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	b.at = time.Unix(sec, 0).UTC()
	return nil
}

// inputs names everything the images are made from, but for the versions of Debian's packages: recipes, this program, the time.
func (b *builder) inputs() (string, error) {
	recipes, err := fingerprint(os.DirFS(b.recipes))
	if err != nil {
		return "", err
	}
	program, err := fingerprint(sources)
	return fmt.Sprintf("%s %s %d", recipes, program, b.at.Unix()), err
}

func (b *builder) stamp() string { return filepath.Join(b.out, ".inputs") }

// current reports whether the images in place were made from these inputs and are all there.
func (b *builder) current(inputs string) bool {
	was, err := os.ReadFile(b.stamp())
	if err != nil || string(was) != inputs+"\n" {
		return false
	}
	s, err := image.Open(b.out)
	if err != nil {
		return false
	}
	for _, img := range s.List() {
		for _, l := range img.Layers {
			if _, err := os.Stat(s.LayerPath(l)); err != nil {
				return false
			}
		}
	}
	return true
}

func (b *builder) build(ctx context.Context, inputs string) error {
	recipes, err := readRecipes(b.recipes)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(b.out, "layers"), 0o755); err != nil {
		return err
	}
	if err := os.Remove(b.stamp()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if b.debs, err = fetch(ctx, filepath.Join(b.cache, "debs"), allPackages(recipes)); err != nil {
		return err
	}
	b.trees, b.images = map[string][]Tree{}, map[string]image.Image{}
	for _, r := range recipes {
		if err := b.buildImage(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	if err := b.writeIndex(); err != nil {
		return err
	}
	return replaceFile(b.stamp(), []byte(inputs+"\n"))
}

func allPackages(recipes []Recipe) []string {
	var all []string
	for _, r := range recipes {
		all = append(all, r.Packages...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (b *builder) buildImage(ctx context.Context, r Recipe) error {
	start := time.Now()
	tree, err := b.tree(ctx, r)
	if err != nil {
		return err
	}
	layers := append(slices.Clone(b.trees[r.From]), tree)
	if err := closed(layers); err != nil {
		return err
	}
	layer := image.Layer{Bytes: tree.bytes()}
	if layer.Digest, err = tree.digest(b.at); err != nil {
		return err
	}
	dir := filepath.Join(b.out, "layers", strings.TrimPrefix(layer.Digest, "sha256:"))
	if err := tree.unpack(dir, b.at); err != nil {
		return err
	}
	b.trees[r.Name] = layers
	img := image.Image{Name: r.Name, Layers: append(slices.Clone(b.images[r.From].Layers), layer), Config: r.Config.image(),
		Size: b.images[r.From].Size + layer.Bytes, Internal: r.Internal}
	img.Digest, err = imageDigest(img)
	b.images[r.Name] = img
	say("%-13s %8.1f KB, %d files, %.1f s", r.Name, float64(layer.Bytes)/1e3, len(tree), time.Since(start).Seconds())
	return err
}

// tree puts the image's own layer together: packages first, then what the repository compiles, then files, then links.
func (b *builder) tree(ctx context.Context, r Recipe) (Tree, error) {
	t := Tree{}
	for _, p := range r.Packages {
		if err := b.debs.addTo(ctx, t, p, r.drops); err != nil {
			return nil, err
		}
	}
	if err := addCompiled(ctx, t, r); err != nil {
		return nil, err
	}
	files := filepath.Join(r.Dir, "files")
	if _, err := os.Stat(files); err == nil {
		if err := t.addFiles(files); err != nil {
			return nil, err
		}
	}
	return t, t.addOwn(r)
}

// addCompiled runs the recipe's program build, if there is one, with an empty directory to fill.
func addCompiled(ctx context.Context, t Tree, r Recipe) error {
	script, err := filepath.Abs(filepath.Join(r.Dir, "build"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(script); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	out, err := os.MkdirTemp("", "podlab-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	if _, err := run(ctx, r.Dir, script, out); err != nil {
		return err
	}
	return t.addFiles(out)
}

// imageDigest names an image by its configuration and layers.
func imageDigest(img image.Image) (string, error) {
	data, err := json.Marshal(struct {
		Config image.Config
		Layers []image.Layer
	}{img.Config, img.Layers})
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), err
}

func (b *builder) writeIndex() error {
	var list []image.Image
	for _, img := range b.images {
		list = append(list, img)
	}
	slices.SortFunc(list, func(x, y image.Image) int { return cmp.Compare(x.Name, y.Name) })
	data, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(b.out, image.IndexFile), append(data, '\n')); err != nil {
		return err
	}
	if !b.prune {
		return nil
	}
	return prune(filepath.Join(b.out, "layers"), list)
}

// replaceFile writes a file so that a reader sees the old content or the new, whole.
func replaceFile(file string, data []byte) error {
	tmp := file + ".new"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
