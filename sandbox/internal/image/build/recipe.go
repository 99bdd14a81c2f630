package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"podlab/sandbox/internal/image"
)

// recipeFile marks a folder as an image; the folder's path is the image's name.
const recipeFile = "image.yaml"

// A Recipe says what one image's own layer holds. Beside it may lie a folder files/, copied as it is, and an executable build,
// run with an empty directory as its argument, which it fills with what the repository itself compiles.
type Recipe struct {
	From     string            `yaml:"from"`     // image whose layers lie below; empty for none
	Packages []string          `yaml:"packages"` // Debian packages, unpacked without their scripts; exactly these
	Drop     []string          `yaml:"drop"`     // patterns of path.Match, or directories, left out of them
	Links    map[string]string `yaml:"links"`    // symbolic links: path → target
	Applets  map[string]string `yaml:"applets"`  // a target and the names, divided by spaces, that link to it in /usr/bin
	Dirs     map[string]string `yaml:"dirs"`     // directories: path → octal mode
	Config   Config            `yaml:"config"`
	Internal bool              `yaml:"internal"` // not for learners
	Optional bool              `yaml:"optional"` // made only when it is named
	About    string            `yaml:"about"`    // of an optional one: what it is for
	Search   []string          `yaml:"search"`   // directories with libraries that programs find by themselves

	Name string `yaml:"-"`
	Dir  string `yaml:"-"`
}

// Config is image.Config in a recipe's spelling.
type Config struct {
	Env          []string `yaml:"env"`
	Entrypoint   []string `yaml:"entrypoint"`
	Cmd          []string `yaml:"cmd"`
	WorkingDir   string   `yaml:"workingDir"`
	User         string   `yaml:"user"`
	StopSignal   string   `yaml:"stopSignal"`
	ExposedPorts []int    `yaml:"exposedPorts"`
}

var (
	imageName   = regexp.MustCompile(`^[a-z0-9]+([./-][a-z0-9]+)*$`)
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
)

// readRecipes reads every image.yaml below dir, bases before what is built on them.
func readRecipes(dir string) ([]Recipe, error) {
	var recipes []Recipe
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != recipeFile {
			return err
		}
		r, err := readRecipe(dir, file)
		recipes = append(recipes, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(recipes) == 0 {
		return nil, fmt.Errorf("%s holds no %s", dir, recipeFile)
	}
	return inOrder(recipes)
}

func readRecipe(root, file string) (Recipe, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Recipe{}, err
	}
	var r Recipe
	if err := yaml.Load(data, &r, yaml.WithKnownFields()); err != nil {
		return Recipe{}, fmt.Errorf("%s: %w", file, err)
	}
	r.Dir = filepath.Dir(file)
	rel, err := filepath.Rel(root, r.Dir)
	if err != nil {
		return Recipe{}, err
	}
	r.Name = filepath.ToSlash(rel)
	if !imageName.MatchString(r.Name) {
		return Recipe{}, fmt.Errorf("%s: %q is no name for an image", file, r.Name)
	}
	for _, p := range r.Packages {
		if !packageName.MatchString(p) {
			return Recipe{}, fmt.Errorf("%s: %q is no package name", file, p)
		}
	}
	return r, nil
}

// inOrder sorts recipes by name, each behind the one it is built on.
func inOrder(recipes []Recipe) ([]Recipe, error) {
	slices.SortFunc(recipes, func(a, b Recipe) int { return strings.Compare(a.Name, b.Name) })
	var done []Recipe
	known := map[string]bool{"": true}
	for len(done) < len(recipes) {
		before := len(done)
		for _, r := range recipes {
			if known[r.From] && !known[r.Name] {
				done, known[r.Name] = append(done, r), true
			}
		}
		if len(done) == before {
			return nil, fmt.Errorf("images: a recipe's `from` names no image, or itself")
		}
	}
	return done, nil
}

// createdBy says what the layer is made of.
func (r Recipe) createdBy() string {
	if len(r.Packages) == 0 {
		return "scripts/images: " + r.Name
	}
	text := "Debian: " + strings.Join(r.Packages, " ")
	if len(text) > 200 {
		text = text[:strings.LastIndexByte(text[:197], ' ')] + " …"
	}
	return text
}

// drops reports whether the recipe leaves name out.
func (r Recipe) drops(name string) bool {
	return dropped(name, everywhere) || dropped(name, r.Drop)
}

// everywhere is left out of every Debian package: what only a person at a full installation reads or what runs at boot.
// Copyright files stay.
var everywhere = []string{
	"usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/share/bash-completion", "usr/share/bug",
	"usr/share/doc-base", "usr/share/initramfs-tools", "usr/share/menu", "usr/share/pixmaps", "usr/share/apport",
	"usr/lib/systemd", "etc/systemd", "etc/init.d", "etc/cron.*", "etc/logrotate.d", "etc/ufw", "etc/pam.d", "etc/insserv.conf.d",
	"usr/share/doc/*/*[!t]", "usr/share/doc/*/*/*", // all but copyright
}

func dropped(name string, patterns []string) bool {
	for _, p := range patterns {
		for at := name; at != "."; at = path.Dir(at) {
			if ok, _ := path.Match(p, at); ok {
				return true
			}
		}
	}
	return false
}

func (c Config) image() image.Config { return image.Config(c) }

// fingerprint is a digest of every file of a tree, with names and modes.
func fingerprint(tree fs.FS) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %o %d\n", name, info.Mode(), len(data))
		h.Write(data)
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)), err
}
