package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// identity is whom a container's processes run as.
type identity struct {
	uid, gid int
	groups   []int // supplementary
}

// policyStrict is SupplementalGroupsPolicy: the image's /etc/group adds nothing (KEP-3619).
const policyStrict = "Strict"

// identity follows the container's securityContext, then the pod's, then the image's user; what these leave open, the image's
// /etc/passwd and /etc/group say, as containerd does. root is where the container's files are.
func (c *container) identity(imageUser, root string) (identity, error) {
	uid, gid := c.runAs()
	if err := c.verifyNonRoot(uid, imageUser); err != nil {
		return identity{}, err
	}
	name, group, _ := strings.Cut(imageUser, ":")
	if uid != nil {
		name, group = strconv.FormatInt(*uid, 10), ""
	}
	if gid != nil {
		group = strconv.FormatInt(*gid, 10)
	}
	found, err := lookUp(root, name, "")
	if err != nil {
		return identity{}, err
	}
	id := identity{uid: found.Uid, gid: found.Gid}
	if group != "" {
		with, err := lookUp(root, name, group)
		if err != nil {
			return identity{}, err
		}
		id.gid = with.Gid
	}
	id.groups = c.unit.groups(found.Sgids)
	return id, nil
}

// runAs is what the manifest says; nil for nothing.
func (c *container) runAs() (uid, gid *int64) {
	if pod := c.unit.object.Spec.SecurityContext; pod != nil {
		uid, gid = pod.RunAsUser, pod.RunAsGroup
	}
	if sc := c.spec.SecurityContext; sc != nil {
		uid, gid = or(sc.RunAsUser, uid), or(sc.RunAsGroup, gid)
	}
	return uid, gid
}

func or[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// verifyNonRoot is verifyRunAsNonRoot of pkg/kubelet/kuberuntime/security_context.go, in its words.
func (c *container) verifyNonRoot(uid *int64, imageUser string) error {
	var must *bool
	if pod := c.unit.object.Spec.SecurityContext; pod != nil {
		must = pod.RunAsNonRoot
	}
	if sc := c.spec.SecurityContext; sc != nil {
		must = or(sc.RunAsNonRoot, must)
	}
	if !isTrue(must) {
		return nil
	}
	where := fmt.Sprintf("(pod: %q, container: %s)", c.unit.fullName(), c.spec.Name)
	name, _, _ := strings.Cut(imageUser, ":")
	switch number, err := strconv.Atoi(name); {
	case uid != nil && *uid == 0:
		return configErrorf("container's runAsUser breaks non-root policy %s", where)
	case uid != nil:
		return nil
	case name == "", err == nil && number == 0:
		return configErrorf("container has runAsNonRoot and image will run as root %s", where)
	case err != nil:
		return configErrorf("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root %s", name, where)
	}
	return nil
}

// fullName is NAME_NAMESPACE(UID), as the kubelet names pods in messages.
func (u *unit) fullName() string {
	return u.object.Ref.Name + "_" + u.object.Meta.Namespace + "(" + u.record.UID + ")"
}

// groups are the supplementary groups of every container of the unit: of the image unless the pod is strict, then the pod's own,
// then that of its volumes.
func (u *unit) groups(ofImage []int) []int {
	sc := u.object.Spec.SecurityContext
	if sc == nil {
		return ofImage
	}
	groups := slices.Clone(ofImage)
	if sc.SupplementalGroupsPolicy == policyStrict {
		groups = nil
	}
	for _, g := range sc.SupplementalGroups {
		groups = append(groups, int(g))
	}
	if sc.FSGroup != nil {
		groups = append(groups, int(*sc.FSGroup))
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// lookUp finds a user, by name or number, and a group in the image's files. A number that is not in them is taken as it is.
func lookUp(root, name, group string) (*user.ExecUser, error) {
	passwd, err := openInside(root, "etc/passwd")
	if err != nil {
		return nil, err
	}
	defer passwd.Close()
	groups, err := openInside(root, "etc/group")
	if err != nil {
		return nil, err
	}
	defer groups.Close()
	spec := name
	if group != "" {
		spec += ":" + group
	}
	found, err := user.GetExecUser(spec, nil, passwd, groups)
	if err != nil {
		return nil, err
	}
	if found.Uid > maxID || found.Gid > maxID {
		return nil, fmt.Errorf("user %q is %d:%d: a node has no ids above %d", spec, found.Uid, found.Gid, maxID)
	}
	return found, nil
}

// maxID is the highest user and group id in a node.
const maxID = 65535

// maxUserFile bounds what is read of an image's passwd and group.
const maxUserFile = 1 << 20

// openInside opens a regular file of an image, whose links lead nowhere outside (openat2, RESOLVE_IN_ROOT). A missing one is empty.
func openInside(root, name string) (io.ReadCloser, error) {
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, err := unix.Openat2(int(dir.Fd()), name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return io.NopCloser(strings.NewReader("")), nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	file := os.NewFile(uintptr(fd), name)
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return io.NopCloser(strings.NewReader("")), nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(file, maxUserFile), file}, nil
}
