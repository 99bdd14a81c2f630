// Package build makes the host's images from the recipes in content/images: Debian packages, files of the repository, and
// programs compiled from it. It asks no registry. The same inputs give the same digests, so a second run has nothing to do.
//
// Recipes that are optional are made when they are named, and from then on with the others.
//
// It must be root, since a layer's files belong to the image's users.
package build

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/image/store"
)

// epoch is the time of every file in every layer unless SOURCE_DATE_EPOCH says otherwise: 2026-01-01 UTC.
const epoch = 1767225600

// Settings say what is made of what.
type Settings struct {
	Recipes string   // folder of the recipes
	Out     string   // directory of images
	Cache   string   // folder that keeps Debian packages
	Upgrade bool     // look for newer Debian packages even if no recipe changed
	Names   []string // optional images to make
}

// Run makes the images that are not there yet, or are made of something else than now.
func Run(ctx context.Context, c Settings) error {
	b := &builder{recipes: c.Recipes, out: c.Out, cache: c.Cache, upgrade: c.Upgrade, names: c.Names}
	return b.run(ctx)
}

// sources are this program's own: with a new way of making them the images are made anew.
//
//go:embed *.go
var sources embed.FS

// say prints one line of progress.
func say(format string, args ...any) { fmt.Printf("  images: "+format+"\n", args...) }

type builder struct {
	recipes, out, cache string
	upgrade             bool
	names               []string // optional images that were asked for

	at     time.Time
	store  *store.Store
	before []image.Image // what the index held
	debs   *debs
	trees  map[string][]Tree // by image, lowest first
	images map[string]image.Image
}

func (b *builder) run(ctx context.Context) (err error) {
	if err := b.setTime(); err != nil {
		return err
	}
	if b.store, err = store.Open(b.out); err != nil {
		return err
	}
	defer b.store.Close()
	if b.before, err = b.store.List(); err != nil {
		return err
	}
	recipes, err := b.chosen()
	if err != nil {
		return err
	}
	inputs, err := b.inputs(recipes)
	if err != nil {
		return err
	}
	if !b.upgrade && b.current(inputs) {
		say("nothing changed")
		return nil
	}
	return b.build(ctx, recipes, inputs)
}

// chosen returns the recipes to make, bases first: all that are not optional, and of those the ones that were named, now or in an earlier
// run, with what they stand on. It writes down which are left.
func (b *builder) chosen() ([]Recipe, error) {
	all, err := readRecipes(b.recipes)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, img := range b.before {
		wanted[img.Name] = img.Source == ""
	}
	for _, name := range b.names {
		if !slices.ContainsFunc(all, func(r Recipe) bool { return r.Name == name }) {
			return nil, fmt.Errorf("there is no recipe %q in %s", name, b.recipes)
		}
		wanted[name] = true
	}
	for _, r := range slices.Backward(all) {
		if !r.Optional || wanted[r.Name] {
			wanted[r.Name], wanted[r.From] = true, true
		}
	}
	var left []string
	all = slices.DeleteFunc(all, func(r Recipe) bool {
		if !wanted[r.Name] {
			left = append(left, r.Name)
		}
		return !wanted[r.Name]
	})
	data, err := json.Marshal(append([]string{}, left...))
	if err != nil {
		return nil, err
	}
	return all, replaceFile(filepath.Join(b.out, image.BuildableFile), append(data, '\n'))
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
func (b *builder) inputs(chosen []Recipe) (string, error) {
	var names []string
	for _, r := range chosen {
		names = append(names, r.Name)
	}
	recipes, err := fingerprint(os.DirFS(b.recipes))
	if err != nil {
		return "", err
	}
	program, err := fingerprint(sources)
	return fmt.Sprintf("%s %s %d %s", recipes, program, b.at.Unix(), strings.Join(names, ",")), err
}

func (b *builder) stamp() string { return filepath.Join(b.out, ".inputs") }

// current reports whether the images in place were made from these inputs and are all there.
func (b *builder) current(inputs string) bool {
	was, err := os.ReadFile(b.stamp())
	if err != nil || string(was) != inputs+"\n" {
		return false
	}
	for _, img := range b.before {
		for _, l := range img.Layers {
			if _, err := os.Stat(b.store.LayerDir(l.Digest)); err != nil {
				return false
			}
		}
	}
	return true
}

func (b *builder) build(ctx context.Context, recipes []Recipe, inputs string) (err error) {
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
	if err := closed(layers, r.Search...); err != nil {
		return err
	}
	layer := image.Layer{Bytes: tree.bytes(), CreatedBy: r.createdBy()}
	if layer.Digest, err = tree.digest(b.at); err != nil {
		return err
	}
	if err := tree.unpack(b.store.LayerDir(layer.Digest), b.at); err != nil {
		return err
	}
	b.trees[r.Name] = layers
	img := image.Image{Name: r.Name, Layers: append(slices.Clone(b.images[r.From].Layers), layer), Config: r.Config.image(),
		Size: b.images[r.From].Size + layer.Bytes, Internal: r.Internal}
	if err := b.store.AddOCI(&img, b.images[r.From].Manifest, b.at); err != nil {
		return err
	}
	b.images[r.Name] = img
	say("%-13s %8.1f KB, %d files, %.1f s", r.Name, float64(layer.Bytes)/1e3, len(tree), time.Since(start).Seconds())
	return nil
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

// writeIndex puts what was made in the place of what earlier runs made; images that came from elsewhere stay.
func (b *builder) writeIndex() error {
	var all []image.Image
	for _, img := range b.images {
		all = append(all, img)
	}
	for _, img := range b.before {
		if _, made := b.images[img.Name]; img.Source != "" && !made {
			all = append(all, img)
		}
	}
	return b.store.Replace(all)
}

// replaceFile writes a file so that a reader sees the old content or the new, whole.
func replaceFile(file string, data []byte) error {
	tmp := file + ".new"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
