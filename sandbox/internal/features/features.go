// Package features finds out what this machine lacks for nodes. What it finds is in sandbox.HostInfo: the daemon refuses nodes by it, and
// `podlab doctor` shows it.
package features

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/rootfs"
	"podlab/sandbox/internal/userns"
)

// essential features: without one of them no node can be made.
var essential = map[string]bool{
	"user_namespaces": true, "idmapped_mounts": true, "overlay": true, "ext4": true, "loop": true, "seccomp": true, "mkfs.ext4": true,
	"cgroup_memory": true, "cgroup_pids": true, "cgroup_cpu": true,
}

// Refusal is the reason why no node can be made: the first of what is missing that is essential.
func Refusal(missing []*sandbox.Error) error {
	for _, one := range missing {
		if essential[one.Params["feature"]] {
			return one
		}
	}
	return nil
}

// Missing looks for what nodes need by trying it, and returns a missing_feature for each that is not there: params feature and remedy, a
// command or a setting in the same words in every language. groups are the nodes'; data is a directory on the file system of disks and
// images; work is one to mount at; base is the first of userns.Size ids that no node has.
func Missing(groups *cgroup.Tree, data, work string, base uint32) (missing []*sandbox.Error) {
	need := func(feature, remedy string, err error) {
		if err != nil {
			missing = append(missing, sandbox.Errorf(sandbox.CodeMissingFeature, "feature", feature, "remedy", remedy).Because(err))
		}
	}
	exists := func(path string) error {
		_, err := os.Stat(path)
		return err
	}
	need("overlay", "modprobe overlay", hasFilesystem("overlay"))
	need("ext4", "modprobe ext4", hasFilesystem("ext4"))
	need("loop", "modprobe loop", exists("/dev/loop-control"))
	need("seccomp", "CONFIG_SECCOMP_FILTER=y", exists("/proc/sys/kernel/seccomp/actions_avail"))
	need("btf", "CONFIG_DEBUG_INFO_BTF=y", exists("/sys/kernel/btf/vmlinux"))
	need("mkfs.ext4", "apt-get install e2fsprogs", hasProgram("mkfs.ext4"))
	for _, controller := range []string{"memory", "pids", "cpu"} {
		need("cgroup_"+controller, "cgroup_enable="+controller, groups.HasController(controller))
	}
	users, err := userns.New(base)
	need("user_namespaces", "sysctl -w user.max_user_namespaces=65536", err)
	if err == nil {
		defer users.Close()
		need("idmapped_mounts", "Linux >= 5.19; --data on ext4, xfs or btrfs", tryBind(data, work, users))
	}
	return missing
}

// tryBind mounts a directory as a node's layers are. That overlayfs takes such mounts came with Linux 5.19.
func tryBind(data, work string, users *os.File) error {
	at := filepath.Join(work, ".try")
	if err := os.Mkdir(at, 0o700); err != nil {
		return err
	}
	defer os.Remove(at)
	if err := rootfs.Bind(data, at, users); err != nil {
		return err
	}
	return errors.Join(unix.Unmount(at, unix.MNT_DETACH), newerThan(5, 19))
}

// hasFilesystem asks for a kind of file system; the kernel loads its module if it can.
func hasFilesystem(kind string) error {
	fd, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func hasProgram(name string) error {
	_, err := exec.LookPath(name)
	return err
}

// KernelRelease is the kernel's, "" when it does not say.
func KernelRelease() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}

// newerThan fails on kernels older than major.minor.
func newerThan(major, minor int) error {
	var m, n int
	release := KernelRelease()
	if _, err := fmt.Sscanf(release, "%d.%d", &m, &n); err != nil {
		return fmt.Errorf("kernel release %q: %w", release, err)
	}
	if m < major || m == major && n < minor {
		return fmt.Errorf("kernel %s is older than %d.%d", release, major, minor)
	}
	return nil
}
