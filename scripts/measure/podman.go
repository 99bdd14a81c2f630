package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// podman runs podman on a store of its own, below dir.
type podman struct{ dir string }

func (p podman) run(ctx context.Context, args ...string) error {
	all := []string{"--root", p.dir + "/root", "--runroot", p.dir + "/run", "--tmpdir", p.dir + "/tmp", "--cgroup-manager", "cgroupfs",
		"--events-backend", "none"}
	if _, err := exec.LookPath("runc"); err == nil { // Debian 12's crun refuses hybrid control groups
		all = append(all, "--runtime", "runc")
	}
	cmd := exec.CommandContext(ctx, "podman", append(all, args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+p.config())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("podman %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (p podman) config() string { return filepath.Join(p.dir, "containers.conf") }

// setLimits gives podman limits that need no raising: without CAP_SYS_RESOURCE it could not.
func (p podman) setLimits() error {
	return os.WriteFile(p.config(), []byte("[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n"), 0o600)
}

// removeGroups removes the empty control groups that podman leaves, lower ones first. One that holds anything stays.
func removeGroups() {
	for _, pattern := range []string{"*/libpod_parent/*", "libpod_parent/*", "*/libpod_parent", "libpod_parent"} {
		dirs, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", pattern))
		for _, dir := range dirs {
			_ = os.Remove(dir)
		}
	}
}

// benchPodman makes the same pod from the same layer: infra (our pause) and two containers; then exec, then removal.
func benchPodman(ctx context.Context, b *bench) (err error) {
	if _, err := exec.LookPath("podman"); err != nil {
		remark("podman is not installed: nothing to compare with")
		return nil
	}
	dir, err := os.MkdirTemp("/var/tmp", "podlab-podman-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	defer removeGroups()
	p := podman{dir}
	if err := p.setLimits(); err != nil {
		return err
	}
	defer func() {
		if e := p.run(context.WithoutCancel(ctx), "pod", "rm", "--all", "--force", "--time", "0"); err == nil {
			err = e
		}
	}()
	if err := p.load(ctx, b.data); err != nil {
		return err
	}
	return p.measure(ctx, b.rounds)
}

// load imports our layers as podman's images.
func (p podman) load(ctx context.Context, data string) error {
	for _, name := range []string{"busybox", "podlab/pause"} {
		layer, err := layerOf(filepath.Join(data, "images"), name)
		if err != nil {
			return err
		}
		tar := filepath.Join(p.dir, "layer.tar")
		if out, err := exec.CommandContext(ctx, "tar", "-C", layer, "-cf", tar, ".").CombinedOutput(); err != nil {
			return fmt.Errorf("tar: %w: %s", err, out)
		}
		if err := p.run(ctx, "import", tar, "localhost/"+filepath.Base(name)+":bench"); err != nil {
			return err
		}
	}
	return nil
}

func (p podman) measure(ctx context.Context, rounds int) error {
	var ready, exec, gone times
	for i := range rounds {
		pod := fmt.Sprintf("bench-%d", i)
		took, err := timed(func() error { return p.pod(ctx, pod) })
		if err != nil {
			return err
		}
		ready = append(ready, took)
		if took, err = timed(func() error { return p.run(ctx, "exec", pod+"-web", "true") }); err != nil {
			return err
		}
		exec = append(exec, took)
		if took, err = timed(func() error { return p.run(ctx, "pod", "rm", "--force", "--time", "0", pod) }); err != nil {
			return err
		}
		gone = append(gone, took)
	}
	remark("podman's pods have no network here: --network none")
	ready.print("podman.pod.ready")
	exec.print("podman.exec")
	gone.print("podman.pod.deleted")
	return nil
}

func (p podman) pod(ctx context.Context, name string) error {
	// Without a network: a bridge would cost podman more still, and needs programs that may be missing.
	err := p.run(ctx, "pod", "create", "--name", name, "--network", "none", "--infra-image", "localhost/pause:bench",
		"--infra-command", "/pause")
	for _, c := range []string{"web", "logger"} {
		if err == nil {
			err = p.run(ctx, "run", "--detach", "--pod", name, "--name", name+"-"+c, "--log-driver", "k8s-file",
				"localhost/busybox:bench", "sleep", "3600")
		}
	}
	return err
}

func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}
