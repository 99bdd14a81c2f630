package sandboxtest

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

var prepared struct {
	mu          sync.Mutex
	daemon, all bool
	dir         string
}

// Prepare makes the programs and, if all is set, the node's programs and the images, and returns the directory that holds bin/, node/bin/
// and images/. It does so once in a process; other processes wait.
func Prepare(all bool) (string, error) {
	prepared.mu.Lock()
	defer prepared.mu.Unlock()
	if dir := os.Getenv("PODLAB_DATA"); dir != "" {
		return dir, nil
	}
	if prepared.all || prepared.daemon && !all {
		return prepared.dir, nil
	}
	cache := cmp.Or(os.Getenv("PODLAB_CACHE"), "/var/cache/podlab")
	dir := filepath.Join(cache, "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", err
	}
	if err := build(dir, all); err != nil {
		return "", err
	}
	prepared.dir, prepared.daemon, prepared.all = dir, true, all
	return dir, nil
}

// build runs the Go compiler, which does nothing for what is up to date, and the maker of images, which does the same.
func build(dir string, all bool) error {
	if err := compile(dir, "bin/podlab-sandboxd", "./sandbox/sandboxd"); err != nil || !all {
		return err
	}
	if err := compile(dir, "node/bin/podlab-node", "./sandbox/node"); err != nil {
		return err
	}
	if err := compile(dir, "node/bin/pod", "./sandbox/node/pod"); err != nil {
		return err
	}
	if err := compile(dir, "node/bin/podlab-image", "./sandbox/node/image"); err != nil {
		return err
	}
	if err := compile(dir, "node/bin/podlab-probe", "./sandbox/node/probe"); err != nil {
		return err
	}
	if err := compile(dir, "bin/podlab", "./server"); err != nil {
		return err
	}
	link := filepath.Join(dir, "node/bin/container")
	if err := os.Symlink("pod", link); err != nil && !os.IsExist(err) {
		return err
	}
	return run("go", "run", "./sandbox/images", "build", "--out", filepath.Join(dir, "images"), "--cache", filepath.Dir(dir))
}

// compile builds a program. The compiler leaves it alone when it is up to date, and removes it first when it is not, so a daemon that
// runs keeps its own.
func compile(dir, name, pkg string) error {
	return run("go", "build", "-trimpath", "-buildvcs=false", "-tags", "seccomp netgo osusergo",
		"-ldflags", "-linkmode external -extldflags -static -s -w", "-o", filepath.Join(dir, name), pkg)
}

func run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = repository()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}
