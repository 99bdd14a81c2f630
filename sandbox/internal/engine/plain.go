package engine

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runc/libcontainer/configs"

	"podlab/sandbox"
)

// plainNamespaces says what a plain container has of its own, what it joins of another container, and what it leaves out and so
// shares with the node: docker run's --net, --ipc, --pid and --uts.
func (u *unit) plainNamespaces() (configs.Namespaces, error) {
	list := configs.Namespaces{{Type: configs.NEWNS}}
	for _, j := range []struct {
		target string
		kind   configs.NamespaceType
	}{
		{u.object.Join.Network, configs.NEWNET}, {u.object.Join.IPC, configs.NEWIPC},
		{u.object.Join.PID, configs.NEWPID}, {u.object.Join.UTS, configs.NEWUTS},
	} {
		switch {
		case j.target == "":
			list = append(list, configs.Namespace{Type: j.kind})
		case j.target != "host":
			pid, err := u.engine.pidOf(strings.TrimPrefix(j.target, "container:"))
			if err != nil {
				return nil, err
			}
			list = append(list, configs.Namespace{Type: j.kind, Path: fmt.Sprintf("/proc/%d/ns/%s", pid, configs.NsName(j.kind))})
		}
	}
	return list, nil
}

// checkJoins refuses a plain container whose targets are not there or do not run.
func (e *Engine) checkJoins(o *object) error {
	for _, target := range o.joins() {
		if target == "" || target == "host" {
			continue
		}
		if _, err := e.pidOf(strings.TrimPrefix(target, "container:")); err != nil {
			return err
		}
	}
	return nil
}

// pidOf is the node's pid of a running container's first process.
func (e *Engine) pidOf(id string) (int, error) {
	_, s, ok := e.find(id)
	if !ok {
		return 0, sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestContainer, "name", id)
	}
	if s.PID == 0 {
		return 0, sandbox.Errorf(sandbox.CodeNotRunning, "kind", sandbox.ManifestContainer, "name", id)
	}
	return s.PID, nil
}

// joinShm takes the shared memory of the container whose IPC namespace is joined: /dev/shm belongs to it, as with docker run --ipc.
func (u *unit) joinShm() error {
	target, ok := strings.CutPrefix(u.object.Join.IPC, "container:")
	if !ok {
		return nil
	}
	v, _, found := u.engine.find(target)
	if !found {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", sandbox.ManifestContainer, "name", target)
	}
	u.shmPath = v.shm
	return nil
}
