// Package disk makes nodes' disks: ext4 file systems of a fixed size and number of inodes, each in a sparse file without a name behind a
// loop device.
//
// Nothing of a disk has to be removed: its file has no name from the start, and the loop device frees itself with the last mount. So
// whenever and however a node and the daemon end, nothing is left. Formatting takes some 20 ms, so it is done once for each size: a disk
// is a copy of the data of that template, about 400 KB.
package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Maker makes disks from the templates in Dir, template-BYTES.img, which it makes as they are needed. It is safe for use by many
// goroutines.
type Maker struct {
	Dir string
	mu  sync.Mutex // one format at a time
}

const (
	bytesPerInode = 16 << 10
	unfinished    = ".new" // ends names of files that nobody may use yet
	loopTries     = 32     // others may take the free loop device that the kernel just named
	loopMajor     = 7      // Documentation/admin-guide/devices.txt
	// barrier=0, discard: the disk is thrown away with its node; what it frees, the host shall have back.
	options = "noinit_itable,barrier=0,discard"
)

// Mount makes a disk of size bytes and mounts it at a directory, empty. It goes with its last mount.
func (d *Maker) Mount(size int64, at string) error {
	template, err := d.template(size)
	if err != nil {
		return err
	}
	defer template.Close()
	img, err := unnamed(d.Dir)
	if err != nil {
		return err
	}
	defer img.Close()
	if err := sparseCopy(img, template, size); err != nil {
		return err
	}
	loop, err := attachLoop(img)
	if err != nil {
		return err
	}
	defer loop.Close()
	if err := unix.Mount(loop.Name(), at, "ext4", unix.MS_NOATIME|unix.MS_NODEV|unix.MS_NOSUID, options); err != nil {
		return &os.PathError{Op: "mount", Path: loop.Name(), Err: err}
	}
	return os.Remove(filepath.Join(at, "lost+found"))
}

// Again mounts a disk that is mounted elsewhere, by its device's number (stat(2)), at a second place.
func Again(device uint64, at string) error {
	if unix.Major(device) != loopMajor {
		return fmt.Errorf("device %d is no disk of a node", device)
	}
	loop := fmt.Sprintf("/dev/loop%d", unix.Minor(device))
	if err := unix.Mount(loop, at, "ext4", unix.MS_NOATIME|unix.MS_NODEV|unix.MS_NOSUID, options); err != nil {
		return &os.PathError{Op: "mount", Path: loop, Err: err}
	}
	return nil
}

// template opens the formatted image of that size, and formats it if it is not there or torn.
func (d *Maker) template(size int64) (*os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := filepath.Join(d.Dir, fmt.Sprintf("template-%d.img", size))
	f, err := os.Open(path)
	if err == nil && whole(f, size) {
		return f, nil
	}
	if err == nil {
		f.Close()
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	fresh := path + unfinished
	defer os.Remove(fresh)
	if err := format(fresh, size); err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, path); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// whole reports whether an image has its size and begins as ext4 does: its superblock is at byte 1024 and has its magic number, 0xEF53, 56
// bytes on (Documentation/filesystems/ext4/super.rst).
func whole(image *os.File, size int64) bool {
	info, err := image.Stat()
	if err != nil || info.Size() != size {
		return false
	}
	var magic [2]byte
	_, err = image.ReadAt(magic[:], 1024+56)
	return err == nil && magic == [2]byte{0x53, 0xEF}
}

// RemoveUnfinished removes what a maker left that was killed.
func (d *Maker) RemoveUnfinished() error {
	left, err := filepath.Glob(filepath.Join(d.Dir, "*"+unfinished))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

func format(path string, size int64) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(path, size); err != nil {
		return err
	}
	out, err := exec.Command("mkfs.ext4", "-q", "-F", "-O", "^has_journal,^resize_inode", "-m", "0",
		"-N", strconv.FormatInt(size/bytesPerInode, 10), "-E", "lazy_itable_init=1,nodiscard,root_owner=0:0", path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, out)
	}
	return flush(path)
}

// flush has a file written, before it gets the name under which it is trusted: the machine may lose its power.
func flush(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// unnamed opens a new file in dir that has no name.
func unnamed(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_RDWR, 0o600)
	if err == nil {
		return f, nil
	}
	f, err = os.CreateTemp(dir, "*"+unfinished) // a file system without O_TMPFILE
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// sparseCopy copies the data of from, and only the data, into the empty file to.
func sparseCopy(to, from *os.File, size int64) error {
	if err := to.Truncate(size); err != nil {
		return err
	}
	for end := int64(0); ; {
		start, err := from.Seek(end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // no more data
			return nil
		}
		if err != nil {
			return err
		}
		if end, err = from.Seek(start, unix.SEEK_HOLE); err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(to, start), io.NewSectionReader(from, start, end-start)); err != nil {
			return err
		}
	}
}

// attachLoop puts a loop device before the file. It is freed when its last opener, at the end the node's mount, goes.
func attachLoop(img *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for range loopTries {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, os.NewSyscallError("LOOP_CTL_GET_FREE", err)
		}
		loop, err := openLoop(number)
		if err != nil {
			return nil, err
		}
		config := &unix.LoopConfig{Fd: uint32(img.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		if err = unix.IoctlLoopConfigure(int(loop.Fd()), config); err == nil {
			return loop, nil
		}
		loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, os.NewSyscallError("LOOP_CONFIGURE", err)
		}
	}
	return nil, errors.New("no loop device stays free long enough to be taken")
}

// openLoop opens a loop device. Inside a container nobody makes the devices that the kernel adds.
func openLoop(number int) (*os.File, error) {
	path := fmt.Sprintf("/dev/loop%d", number)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	if err := unix.Mknod(path, unix.S_IFBLK|0o660, int(unix.Mkdev(loopMajor, uint32(number)))); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, &os.PathError{Op: "mknod", Path: path, Err: err}
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}
