package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// Kinds of sandbox.Volume.
const (
	kindEmptyDir    = "emptyDir"
	kindMemory      = "emptyDir/Memory"
	kindHostPath    = "hostPath"
	kindConfigMap   = "configMap"
	kindSecret      = "secret"
	kindDownwardAPI = "downwardAPI"
	kindProjected   = "projected"
)

// pluginDir is where below a pod's directory the kubelet keeps each kind of volume.
var pluginDir = map[string]string{
	kindEmptyDir: "kubernetes.io~empty-dir", kindMemory: "kubernetes.io~empty-dir", kindConfigMap: "kubernetes.io~configmap",
	kindSecret: "kubernetes.io~secret", kindDownwardAPI: "kubernetes.io~downward-api", kindProjected: "kubernetes.io~projected",
}

// mediumMemory is EmptyDir.Medium for a tmpfs.
const mediumMemory = "Memory"

// memoryInodes bounds the files of one tmpfs: each costs the node kernel memory.
const memoryInodes = 16384

// hostPathTypes are v1.HostPathType's.
var hostPathTypes = []string{"", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"}

// A mountError is a volume that cannot be had, in Kubernetes' words.
type mountError struct {
	volume, path, kind, detail string
}

func (e *mountError) Error() string {
	return fmt.Sprintf("MountVolume.SetUp failed for volume %q : %s", e.volume, e.detail)
}

// volumePath is where a volume is on the node: where the kubelet would have it below its own directory.
func (u *unit) volumePath(v *sandbox.VolumeSource) string {
	if v.HostPath != nil {
		return filepath.Clean(v.HostPath.Path)
	}
	return filepath.Join(u.dir(), "volumes", pluginDir[volumeKind(v)], v.Name)
}

func volumeKind(v *sandbox.VolumeSource) string {
	switch {
	case v.HostPath != nil:
		return kindHostPath
	case v.ConfigMap != nil:
		return kindConfigMap
	case v.Secret != nil:
		return kindSecret
	case v.DownwardAPI != nil:
		return kindDownwardAPI
	case v.Projected != nil:
		return kindProjected
	case v.EmptyDir.Medium == mediumMemory:
		return kindMemory
	}
	return kindEmptyDir
}

// isData reports whether the engine writes the volume's files: then containers cannot.
func isData(v *sandbox.VolumeSource) bool { return v.HostPath == nil && v.EmptyDir == nil }

// setUpVolumes makes what is missing. What is there stays as it is: a new sandbox of the same pod keeps its volumes.
func (u *unit) setUpVolumes() error {
	for i := range u.object.Spec.Volumes {
		v := &u.object.Spec.Volumes[i]
		err := u.setUpVolume(v)
		if err == nil {
			continue
		}
		if _, ok := errors.AsType[*mountError](err); ok {
			return err
		}
		return &mountError{volume: v.Name, path: u.volumePath(v), kind: volumeKind(v), detail: err.Error()}
	}
	return nil
}

func (u *unit) setUpVolume(v *sandbox.VolumeSource) error {
	if v.HostPath != nil {
		return checkHostPath(v.Name, v.HostPath)
	}
	dir := u.volumePath(v)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	switch volumeKind(v) {
	case kindMemory:
		if err := mountTmpfs(dir, "777", u.memorySize(v.EmptyDir)); err != nil {
			return err
		}
	case kindSecret, kindDownwardAPI, kindProjected: // never on a disk, as the kubelet keeps them
		if err := mountTmpfs(dir, "1777", dataVolumeSize); err != nil {
			return err
		}
	}
	if isData(v) {
		return u.writeData(v)
	}
	if group := u.fsGroup(); group != nil {
		return ownByGroup(dir, *group, 0o777)
	}
	return os.Chmod(dir, 0o777) // whoever the containers run as may write, as in Kubernetes
}

// dataVolumeSize bounds what a volume of Secrets takes of the node's memory, in bytes: everything there can be, old and new.
const dataVolumeSize = 2 * maxDataBytes

// mountTmpfs mounts a file system in memory unless one is there. size 0 is no limit but the node's.
func mountTmpfs(dir, mode string, size int64) error {
	if isMountPoint(dir) {
		return nil
	}
	options := "mode=" + mode + ",nr_inodes=" + strconv.Itoa(memoryInodes)
	if size > 0 {
		options += ",size=" + strconv.FormatInt(size, 10)
	}
	return unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options)
}

// writeData brings a data volume's files up to date.
func (u *unit) writeData(v *sandbox.VolumeSource) error {
	p, err := u.payload(v)
	if err != nil {
		return err
	}
	return writePayload(u.volumePath(v), p, u.fsGroup())
}

// refreshVolumes lets the data volumes of a pod that is set up follow their ConfigMaps, Secrets and fields. What cannot be had any
// more stays as it was, as in Kubernetes.
func (u *unit) refreshVolumes() {
	if !u.ready() || !u.record.Deleted.IsZero() {
		return
	}
	for i := range u.object.Spec.Volumes {
		v := &u.object.Spec.Volumes[i]
		if !isData(v) {
			continue
		}
		if err := u.writeData(v); err != nil {
			u.log.Warn("volume not refreshed", "volume", v.Name, "err", err)
			u.emit(sandbox.MomentMount, "FailedMount", nil, "volume", v.Name, "path", u.volumePath(v), "type", volumeKind(v), "detail", err.Error())
		}
	}
}

// fsGroup is the group that owns the pod's volumes, nil for none.
func (u *unit) fsGroup() *int64 {
	if sc := u.object.Spec.SecurityContext; sc != nil {
		return sc.FSGroup
	}
	return nil
}

// memorySize is a memory volume's limit in bytes: what the manifest says, at most the node's memory, as the kubelet does.
func (u *unit) memorySize(e *sandbox.EmptyDir) int64 {
	most := u.engine.cfg.Capacity.Memory
	q, err := sandbox.ParseQuantity(e.SizeLimit)
	if size := q.Value(); err == nil && size > 0 && (most == 0 || size < most) {
		return size
	}
	return most
}

// checkHostPath makes or checks a path of the node by its type (v1.HostPathType). Symbolic links are followed: the node is the
// learner's, and the agent is nobody outside it.
func checkHostPath(name string, h *sandbox.HostPath) error {
	switch h.Type {
	case "", "DirectoryOrCreate":
		// An untyped path that is not there is made as a directory, as containerd does.
		if _, err := os.Stat(h.Path); errors.Is(err, fs.ErrNotExist) {
			return os.MkdirAll(h.Path, 0o755)
		}
	case "FileOrCreate":
		f, err := os.OpenFile(h.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			return f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	info, err := os.Stat(h.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if want, ok := hostPathMode(h.Type, info); !ok {
		return &mountError{volume: name, path: h.Path, kind: h.Type,
			detail: fmt.Sprintf("hostPath type check failed: %s is not a %s", h.Path, want)}
	}
	return nil
}

// hostPathMode says what a type wants and whether info, nil for nothing there, is that.
func hostPathMode(kind string, info fs.FileInfo) (want string, ok bool) {
	switch kind {
	case "Directory", "DirectoryOrCreate":
		return "directory", info != nil && info.IsDir()
	case "File", "FileOrCreate":
		return "file", info != nil && info.Mode().IsRegular()
	case "Socket":
		return "socket file", info != nil && info.Mode().Type() == fs.ModeSocket
	case "CharDevice":
		return "character device", info != nil && info.Mode()&fs.ModeCharDevice != 0
	case "BlockDevice":
		return "block device", info != nil && info.Mode().Type() == fs.ModeDevice
	}
	return "", info != nil
}

// volumeMounts are the bind mounts of the container's volumes, and what observers see of them. Device and inode are theirs to read.
// vars are the container's variables.
func (c *container) volumeMounts(vars map[string]string) (mounts []*configs.Mount, seen []sandbox.Mount, err error) {
	for i := range c.spec.VolumeMounts {
		m := &c.spec.VolumeMounts[i]
		v := c.unit.volume(m.Name)
		if v == nil {
			return nil, nil, configErrorf("no volume %q", m.Name)
		}
		sub, err := subPath(m, vars)
		if err != nil {
			return nil, nil, err
		}
		source := c.unit.volumePath(v)
		view := sandbox.Mount{Volume: v.Name, Source: filepath.Join(source, sub), Path: filepath.Clean(m.MountPath), ReadOnly: m.ReadOnly || isData(v)}
		if sub != "" {
			if source, err = c.bindSubPath(i, v, sub); err != nil {
				return nil, nil, err
			}
		}
		mounts, seen = append(mounts, volumeMount(m, source, view)), append(seen, view)
	}
	return mounts, seen, nil
}

func volumeMount(m *sandbox.VolumeMount, source string, view sandbox.Mount) *configs.Mount {
	if !view.ReadOnly {
		return bind(source, view.Path, 0)
	}
	mount := bind(source, view.Path, unix.MS_RDONLY)
	if m.RecursiveReadOnly == "Enabled" || m.RecursiveReadOnly == "IfPossible" { // the mounts below it, too (KEP-3857)
		mount.RecAttr = &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	}
	return mount
}

// volume finds a volume of the manifest by its name.
func (u *unit) volume(name string) *sandbox.VolumeSource {
	for i := range u.object.Spec.Volumes {
		if v := &u.object.Spec.Volumes[i]; v.Name == name {
			return v
		}
	}
	return nil
}

// volumes lists the unit's volumes for observers.
func (u *unit) volumes() []sandbox.Volume {
	var volumes []sandbox.Volume
	for i := range u.object.Spec.Volumes {
		v := &u.object.Spec.Volumes[i]
		volumes = append(volumes, sandbox.Volume{Pod: u.object.Ref.Name, Name: v.Name, Kind: volumeKind(v), Path: u.volumePath(v)})
	}
	return volumes
}

// tearDownVolumes unmounts the volumes that are in memory and the shared memory. Directories go with the unit's own.
func (u *unit) tearDownVolumes() {
	for i := range u.object.Spec.Volumes {
		if v := &u.object.Spec.Volumes[i]; v.HostPath == nil {
			_ = unix.Unmount(u.volumePath(v), unix.MNT_DETACH) // not mounted when the unit never got so far
		}
	}
	u.dropShm()
}

// dropShm unmounts the unit's own /dev/shm if it is mounted.
func (u *unit) dropShm() { _ = unix.Unmount(u.ownShm(), unix.MNT_DETACH) }

// ownShm is the unit's own /dev/shm on the node.
func (u *unit) ownShm() string { return filepath.Join(u.dir(), "shm") }

// setUpShm mounts the shared memory of the unit's IPC namespace: 64 MiB, as containerd.
func (u *unit) setUpShm() error {
	if u.shm() != u.ownShm() || isMountPoint(u.ownShm()) {
		return nil
	}
	if err := os.MkdirAll(u.ownShm(), 0o755); err != nil {
		return err
	}
	const flags = unix.MS_NOEXEC | unix.MS_NOSUID | unix.MS_NODEV
	return unix.Mount("shm", u.ownShm(), "tmpfs", flags, "mode=1777,size=65536k,nr_inodes="+strconv.Itoa(memoryInodes))
}

// isMountPoint compares dir's mount with its parent's (statx, mount id).
func isMountPoint(dir string) bool {
	var here, above unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_MNT_ID, &here) != nil {
		return false
	}
	if unix.Statx(unix.AT_FDCWD, filepath.Dir(dir), 0, unix.STATX_MNT_ID, &above) != nil {
		return false
	}
	return here.Mnt_id != above.Mnt_id
}
