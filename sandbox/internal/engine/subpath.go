package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// subPath is where the mount's part of its volume is on the node, empty for the whole. vars are the container's variables.
func subPath(m *sandbox.VolumeMount, vars map[string]string) (string, error) {
	if m.SubPathExpr == "" {
		return m.SubPath, nil
	}
	expanded := expand(m.SubPathExpr, vars)
	if strings.Contains(expanded, "$(") {
		return "", configErrorf("missing value for %q", m.SubPathExpr)
	}
	if !isRelative(expanded) {
		return "", configErrorf("subPath %q must not contain '..' and must be a relative path", expanded)
	}
	return expanded, nil
}

// isRelative reports whether s is a path that stays below where it begins.
func isRelative(s string) bool {
	return s == "" || !strings.HasPrefix(s, "/") && isPath("/"+s)
}

// bindSubPath makes the part of a volume at sub a mount of its own, and returns where. What the containers of the volume do
// meanwhile changes nothing of what is bound: the part is found beneath the volume by the kernel (openat2, RESOLVE_BENEATH) and held
// by its descriptor, as the kubelet does since CVE-2017-1002101. A part that is not there is made as a directory.
func (c *container) bindSubPath(index int, volume *sandbox.VolumeSource, sub string) (string, error) {
	u := c.unit
	target := filepath.Join(u.dir(), "volume-subpaths", volume.Name, c.spec.Name, strconv.Itoa(index))
	for unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil { // of the run before
	}
	part, err := openBeneath(u.volumePath(volume), sub, !isData(volume))
	if err != nil {
		u.log.Warn("subPath", "container", c.id(), "volume", volume.Name, "err", err)
		return "", configErrorf("failed to prepare subPath for volumeMount %q of container %q", volume.Name, c.spec.Name)
	}
	defer part.Close()
	if err := makePlace(target, part); err != nil {
		return "", err
	}
	source := fmt.Sprintf("/proc/self/fd/%d", part.Fd())
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return "", &os.PathError{Op: "bind", Path: target, Err: err}
	}
	return target, nil
}

// openBeneath opens what is at sub beneath root without a look at its contents. With make, directories that are missing are made.
func openBeneath(root, sub string, make bool) (*os.File, error) {
	volume, err := os.OpenFile(root, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer volume.Close()
	var at *os.File
	parts := strings.Split(filepath.Clean(sub), "/")
	for i := range parts {
		name := filepath.Join(parts[:i+1]...)
		next, err := openPart(volume, name)
		if errors.Is(err, unix.ENOENT) && make {
			in := at
			if in == nil {
				in = volume
			}
			if err = unix.Mkdirat(int(in.Fd()), parts[i], 0o755); err == nil || errors.Is(err, unix.EEXIST) {
				next, err = openPart(volume, name)
			}
		}
		if at != nil {
			at.Close()
		}
		if err != nil {
			return nil, &os.PathError{Op: "open beneath " + root, Path: name, Err: err}
		}
		at = next
	}
	return at, nil
}

func openPart(volume *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat2(int(volume.Fd()), name, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// makePlace makes what a file or directory can be bound to.
func makePlace(target string, part *os.File) error {
	info, err := part.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
		return err
	}
	if err := os.RemoveAll(target); err != nil { // of a run before, when the part was another kind of file
		return err
	}
	if info.IsDir() {
		return os.Mkdir(target, 0o750)
	}
	f, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
