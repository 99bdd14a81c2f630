package life

import (
	"fmt"
	"os"
	"path/filepath"

	"podlab/sandbox"
	"podlab/sandbox/internal/boot"
	"podlab/sandbox/internal/isolation"
	"podlab/sandbox/internal/rootfs"
	"podlab/sandbox/internal/socket"
	"podlab/sandbox/internal/undo"
	"podlab/sandbox/internal/userns"
)

// Plan is what a life is to be.
type Plan struct {
	Place string
	Spec  sandbox.NodeSpec
	Base  uint32 // first of its ids on the host
	Held  bool   // on the disk that Hold holds, which stays held if this fails
	Ahead bool   // nobody waits for it: its agent first does what makes a pod's first start long

	// Born is called when its init is there, and no program of its own has run yet.
	Born func(*Life) error
	// Complete is called last, when its agent answers.
	Complete func(*Life) error
}

// environment is what the node's agent is to know.
func (p Plan) environment() []string {
	env := []string{"PODLAB_SUBNET=" + p.Spec.Subnet}
	if p.Ahead {
		env = append(env, "PODLAB_AHEAD=1")
	}
	return env
}

// Begin brings a node to life and returns when its agent answers. What is only needed while it is made goes in any case, what shall stay goes
// when a step fails.
func (m *Machine) Begin(plan Plan) (*Life, error) {
	m.making <- struct{}{}
	defer func() { <-m.making }()
	var needed, made undo.Steps
	defer needed.Undo()
	defer made.Undo()

	users, err := userns.New(plan.Base)
	if err != nil {
		return nil, err
	}
	needed.Add(func() { users.Close() })
	root, err := m.root(plan, users)
	if err != nil {
		return nil, err
	}
	hold := plan.Held
	needed.Add(func() { m.dismantle(root, hold) })
	made.Add(func() { m.Clear(plan.Place) })
	l := &Life{Place: plan.Place, Disk: root.Device, machine: m, pods: plan.Spec.Subnet, over: make(chan struct{})}
	if err := l.boot(plan, root, users, &made); err != nil {
		return nil, fmt.Errorf("%w; the node's log ends: %q", err, root.LogEnd())
	}
	if err := plan.Complete(l); err != nil {
		return nil, err
	}
	made.Keep()
	hold = false
	return l, nil
}

// root makes a node's root, on a disk of its own or on the one that is held for it.
func (m *Machine) root(plan Plan, users *os.File) (*rootfs.Root, error) {
	source := rootfs.Source{Images: m.set.Images(), Programs: m.set.Programs(), Disk: m.disks.Mount}
	if plan.Held {
		return rootfs.Again(source, m.work(plan.Place), plan.Base, users)
	}
	return rootfs.Make(source, m.work(plan.Place), plan.Spec.Disk, plan.Base, users)
}

func (m *Machine) work(place string) string { return filepath.Join(m.set.Work(), place) }

func (m *Machine) dismantle(root *rootfs.Root, holdDisk bool) {
	take := root.Close
	if holdDisk {
		take = root.Drop
	}
	if err := take(); err != nil {
		m.log.Error("a node's mount point stays", "error", err)
	}
}

// boot starts node init on a root and waits for the agent.
func (l *Life) boot(plan Plan, root *rootfs.Root, users *os.File, made *undo.Steps) error {
	listener, err := l.machine.listen(plan.Place)
	if err != nil {
		return err
	}
	err = l.startInit(plan, root, users, listener, made)
	listener.Close() // node init has it now: when that ends, callers shall know
	if err != nil {
		return err
	}
	return boot.Await(l.machine.set.NodeSocket(plan.Place))
}

// listen makes the socket that the agent will accept from.
func (m *Machine) listen(place string) (*os.File, error) {
	listener, err := socket.Listen(m.set.NodeSocket(place), m.set.Group)
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	defer listener.Close() // the file is a copy
	return listener.File()
}

// startInit starts node init; its program runs when its groups are its own and whoever began the life knows of it.
func (l *Life) startInit(plan Plan, root *rootfs.Root, users, listener *os.File, made *undo.Steps) error {
	m := l.machine
	config := isolation.Config(plan.Spec, m.Groups.Path(plan.Place), root.Path, plan.Base, users)
	files := boot.Files{Log: root.Log, Listener: listener, Filter: m.filter}
	init, err := boot.Start(m.set.States(), plan.Place, plan.environment(), config, files)
	if err != nil {
		return err
	}
	made.Add(init.Kill)
	if err := l.identify(init.PID); err != nil {
		return err
	}
	made.Add(func() { l.init.Close() })
	l.container, l.process = init.Container, init.Process
	if err := m.Groups.Delegate(plan.Place, plan.Base); err != nil {
		return err
	}
	if err := plan.Born(l); err != nil {
		return err
	}
	return init.Run()
}
