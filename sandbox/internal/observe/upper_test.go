package observe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

func TestChanges(t *testing.T) {
	top := t.TempDir()
	in := func(name string) string { return filepath.Join(top, name) }
	write := func(name, data string) error {
		return errors.Join(os.MkdirAll(filepath.Dir(in(name)), 0o755), os.WriteFile(in(name), []byte(data), 0o644))
	}
	err := errors.Join(
		write("base/etc/host", "h"), write("base/etc/gone", "g"), write("base/var/a", "a"), write("base/was", "file"), write("base/hidden", ""),
		os.Mkdir(in("mid"), 0o755), unix.Mknod(in("mid/hidden"), unix.S_IFCHR, 0), os.Symlink("/etc", in("base/link")),
		write("upper/etc/host", "changed"), write("upper/etc/new", "new"), unix.Mknod(in("upper/etc/gone"), unix.S_IFCHR, 0),
		write("upper/var/b", "bb"), unix.Setxattr(in("upper/var"), "user.overlay.opaque", []byte("y"), 0),
		write("upper/own/deep/x", "x"), write("upper/was/now", ""), write("upper/hidden", "back"), os.Symlink("elsewhere", in("upper/link")),
		os.Symlink("/", in("upper/out")), write("upper/own/bad\x1bname", ""),
	)
	if err != nil {
		t.Fatal(err)
	}
	all, more := newReader().changes(in("upper"), []sandbox.Layer{{Path: in("base")}, {Path: in("mid")}})
	var got []string
	for _, c := range all {
		got = append(got, fmt.Sprintf("%s %s %v %d", c.Kind, c.Path, c.Dir, c.Bytes))
	}
	slices.Sort(got)
	want := []string{
		"added /etc/new false 3", "added /hidden false 4", "added /out false 0", "added /own true 0", "added /own/bad\u241bname false 0", "added /own/deep true 0",
		"added /own/deep/x false 1", "added /var/b false 2", "added /was/now false 0", "copied /etc/host false 7", "copied /link false 0",
		"deleted /etc/gone false 0", "opaque /var true 0", "opaque /was true 0",
	}
	if !slices.Equal(got, want) || more {
		t.Errorf("%q\nwant %q", got, want)
	}
	for i := range 100 {
		if err := write(fmt.Sprintf("upper/many/%d", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	if all, more := newReader().changes(in("upper"), nil); len(all) != maxChanges || !more {
		t.Errorf("%d, %v", len(all), more)
	}
}
