package features

import (
	"fmt"
	"os"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/rootfs"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/internal/userns"

	"golang.org/x/sys/unix"
)

// TestMissing: a machine that runs the tests has what is essential; a directory that cannot be mounted with other ids is noticed.
func TestMissing(t *testing.T) {
	sandboxtest.Root(t)
	groups, err := cgroup.Open(fmt.Sprint("podlab-test-", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	if err := rootfs.MountWork(work); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(work, unix.MNT_DETACH) })
	for _, missing := range Missing(groups, t.TempDir(), work, userns.Trial) {
		if missing.Code != sandbox.CodeMissingFeature || missing.Params["remedy"] == "" {
			t.Errorf("%+v", missing)
		}
		if essential[missing.Params["feature"]] {
			t.Errorf("missing: %v", missing)
		}
	}
	found := Missing(groups, "/proc", work, userns.Trial) // proc takes no ids
	if len(found) == 0 || found[len(found)-1].Params["feature"] != "idmapped_mounts" {
		t.Errorf("with /proc for data: %v", found)
	}
	if entries, err := os.ReadDir(work); err != nil || len(entries) != 0 {
		t.Errorf("left: %v %v", entries, err)
	}
}

func TestNewerThan(t *testing.T) {
	if err := newerThan(3, 0); err != nil {
		t.Error(err)
	}
	if newerThan(99, 0) == nil {
		t.Errorf("%s is newer than 99.0", KernelRelease())
	}
	if hasProgram("no such program") == nil || hasFilesystem("no such file system") == nil {
		t.Error("what there is not is there")
	}
}
