package engine

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"
)

// heldNamespaces are namespaces of a sandbox by the files that hold them: before anything is started in them, and after its end (unit.shared).
type heldNamespaces map[configs.NamespaceType]*os.File

// newNamespaces makes namespaces of the given types.
func newNamespaces(types ...configs.NamespaceType) (heldNamespaces, error) {
	if len(types) == 0 {
		return nil, nil
	}
	made := heldNamespaces{}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread, which is in the new namespaces, ends with its goroutine
		result <- made.unshare(types)
	}()
	if err := <-result; err != nil {
		made.close()
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	return made, nil
}

// unshare moves this thread into new namespaces and opens them.
func (h heldNamespaces) unshare(types []configs.NamespaceType) error {
	var list configs.Namespaces
	for _, t := range types {
		list.Add(t, "")
	}
	name := append([]byte(firstStage), 0)
	// Only a name: the tracer leaves out what a thread of this name does, as of a container's first stage (trace, calls.go).
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
	if err := unix.Unshare(int(list.CloneFlags())); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	for _, t := range types {
		file, err := os.Open("/proc/thread-self/ns/" + configs.NsName(t))
		if err != nil {
			return err
		}
		h[t] = file
	}
	return nil
}

// path leads any process of the node to a namespace; empty for one that is not among them.
func (h heldNamespaces) path(t configs.NamespaceType) string {
	if h[t] == nil {
		return ""
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), h[t].Fd())
}

func (h heldNamespaces) close() {
	for _, file := range h {
		file.Close()
	}
}

// holdSandbox opens what the sandbox of a living infra is made of.
func (u *unit) holdSandbox(pid int) {
	u.shared = heldNamespaces{}
	for _, t := range u.sharedTypes() {
		if file, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, configs.NsName(t))); err == nil { // else it has just ended
			u.shared[t] = file
		}
	}
}

// releaseSandbox lets the kernel remove what is left of the sandbox.
func (u *unit) releaseSandbox() {
	u.shared.close()
	u.shared = nil
}

// sharedTypes are the namespaces that the pod's containers share, apart from the node.
func (u *unit) sharedTypes() (types []configs.NamespaceType) {
	spec := &u.object.Spec
	if !spec.HostNetwork {
		types = append(types, configs.NEWNET, configs.NEWUTS) // hostNetwork takes the node's host name too, as in Kubernetes
	}
	if !spec.HostIPC {
		types = append(types, configs.NEWIPC)
	}
	return types
}
