package engine

import (
	"errors"
	"time"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sync/errgroup"
)

// errNoSandbox is why a container was not started that was prepared beside its infra.
var errNoSandbox = errors.New("the pod's infra cannot start")

// making is a sandbox in the making. Its namespaces are there before its infra, as a CRI's network namespace is, so that the pod's first
// containers are prepared beside infra. Their programs wait: until it runs, nothing is told of them either.
type making struct {
	namespaces heldNamespaces
	connecting errgroup.Group // of its network
	mac        string         // of the pod's card, once that is done
	over       chan struct{}  // closed when infra runs and is connected, or cannot
	err        error          // why it cannot; to be read once over is closed
}

// connected waits for the network.
func (m *making) connected() (mac string, err error) {
	err = m.connecting.Wait()
	return m.mac, err
}

// end lets go of what waits for the sandbox.
func (m *making) end(err error) {
	m.err = err
	close(m.over)
}

// makeSandbox makes the pod's network and infra, and beside it starts the containers whose turn comes with it.
func (u *unit) makeSandbox() error {
	shared, err := newNamespaces(u.sharedTypes()...)
	if err != nil {
		return err
	}
	u.releaseSandbox()
	u.shared = shared
	in := &making{namespaces: shared, over: make(chan struct{})}
	u.infra.run.Name, u.infra.run.Image = infraName, pauseImage
	first := u.besideInfra()
	for _, c := range append([]*container{u.infra}, first...) {
		c.run.Attempt++
	}
	u.save() // an agent that finds this finds what was being made, too
	in.connecting.Go(func() (err error) {
		in.mac, err = u.connect(shared.path(configs.NEWNET))
		return err
	})
	beside := launchAll(first, in)
	made, err := u.infra.launch(in)
	_, _ = in.connected() // infra has its error, if it came so far
	if err == nil {
		u.infra.started(made)
		u.publish()
	}
	in.end(err)
	if err != nil {
		u.abandon(beside)
		u.tearDownSandbox()
		return err
	}
	u.take(beside)
	return nil
}

// besideInfra are the containers to be prepared while infra is: none in a pod whose containers are in infra's own process namespace.
func (u *unit) besideInfra() []*container {
	if u.object.sharesPID() {
		return nil
	}
	return u.due(time.Now())
}

// abandon waits until nothing is left of what was launched in a sandbox that there will not be.
func (u *unit) abandon(launched *outcomes) {
	for r, ok := launched.next(); ok; r, ok = launched.next() {
		r.c.run.Attempt-- // it was none
	}
}
