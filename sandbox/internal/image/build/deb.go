package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// debs is a directory of downloaded Debian packages. apt chooses the versions and checks the archive's signatures.
type debs struct {
	dir   string
	files map[string]string // package → file, of the version apt would install
}

// fetch makes sure that the current version of every named package is in dir. What is there already is not fetched again.
func fetch(ctx context.Context, dir string, packages []string) (*debs, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	d := &debs{dir: dir, files: map[string]string{}}
	err := d.try(ctx, packages)
	if err != nil { // lists are missing, or older than the archive
		say("refreshing apt's lists of packages (%v)", err)
		if _, err := run(ctx, dir, "apt-get", "update", "-qq"); err != nil {
			return nil, err
		}
		err = d.try(ctx, packages)
	}
	return d, err
}

func (d *debs) try(ctx context.Context, packages []string) error {
	missing, err := d.locate(ctx, packages)
	if err != nil || len(missing) == 0 {
		return err
	}
	say("fetching %d Debian packages", len(missing))
	// The directory is root's, so apt's own user could not write into it.
	args := append([]string{"download", "-qq", "-o", "APT::Sandbox::User=root"}, missing...)
	if _, err := run(ctx, d.dir, "apt-get", args...); err != nil {
		return err
	}
	missing, err = d.locate(ctx, missing)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("apt did not fetch %s", strings.Join(missing, ", "))
	}
	return err
}

// locate asks apt for each package's file and returns the packages whose file is not there yet.
// apt prints 'URI' FILE SIZE HASH, a line for each that is not in its own working directory yet: so it is asked from elsewhere.
func (d *debs) locate(ctx context.Context, packages []string) (missing []string, err error) {
	out, err := run(ctx, "/", "apt-get", append([]string{"download", "--print-uris", "-qq"}, packages...)...)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.HasPrefix(f[0], "'") {
			continue
		}
		name, _, _ := strings.Cut(f[1], "_")
		d.files[name] = filepath.Join(d.dir, filepath.Base(f[1]))
		size, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("apt: %q: %w", line, err)
		}
		if st, err := os.Stat(d.files[name]); err != nil || st.Size() != size {
			missing = append(missing, name)
		}
	}
	for _, name := range packages {
		if d.files[name] == "" {
			return nil, fmt.Errorf("apt knows no package %s", name)
		}
	}
	return missing, nil
}

// addTo adds the package's files to t. None of its scripts is run.
func (d *debs) addTo(ctx context.Context, t Tree, name string, drop func(string) bool) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", d.files[name])
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = t.addTar(out, drop)
	if err != nil {
		_ = cmd.Process.Kill() // it would wait for a reader for ever
	}
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return fmt.Errorf("package %s: %w", name, err)
	}
	return nil
}

// run runs a program in dir and returns what it printed; the error holds what it complained about.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
