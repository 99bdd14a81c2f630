package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

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

// joinWait is how long a plain container's target may take to start: both may be applied at once.
const joinWait = 10 * time.Second

// checkJoins refuses a plain container whose targets are not there or do not run. It waits for one that is being started.
func (e *Engine) checkJoins(ctx context.Context, o *object) error {
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	for _, target := range o.joins() {
		if target == "" || target == "host" {
			continue
		}
		if err := e.awaitStart(ctx, strings.TrimPrefix(target, "container:")); err != nil {
			return err
		}
	}
	return nil
}

// awaitStart returns when a container that is being started for the first time runs, or will not.
func (e *Engine) awaitStart(ctx context.Context, id string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := e.pidOf(id)
		_, s, _ := e.find(id)
		if err == nil || s.State != waiting || s.Reason != reasonCreating {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
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
