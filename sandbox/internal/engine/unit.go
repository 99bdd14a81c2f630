package engine

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"podlab/sandbox"
)

// infraName names a pod's infra container in ids and paths; no container of a manifest can be called so.
const infraName = "_infra"

// A unit is a pod or a plain container. One goroutine, run, owns everything in it but what is marked; others ask it by do and
// post, and read the last published view.
type unit struct {
	engine *Engine // immutable
	log    *slog.Logger
	asked  amount // immutable: what its containers request

	record record
	object *object // in record
	infra  *container

	inits      []*container // with the sidecars
	apps       []*container
	ephemerals []*container

	// shared is the sandbox's namespaces, held after its end as a CRI does: the kernel gives the number of a namespace that is gone to the next
	// one, and who looks at the next sandbox shall see that it is another.
	shared   heldNamespaces
	shmPath  string    // of its IPC namespace's /dev/shm
	prepared bool      // volumes, files and address are there
	retryAt  time.Time // of making the sandbox
	retry    time.Duration

	measureAt time.Time // when disk volumes with a limit are measured next

	commands chan func()
	done     chan struct{} // closed when nothing of the unit is left
	view     atomic.Pointer[view]
}

// view is what others see of a unit. It is never changed once published.
type view struct {
	record  record // deletion and order
	pod     *sandbox.Pod
	subject []Subject
	volumes []sandbox.Volume
	shm     string
	dir     string
}

// newUnit makes the unit of a record. run is to be started by the caller.
func newUnit(e *Engine, r record) *unit {
	u := &unit{engine: e, record: r, commands: make(chan func()), done: make(chan struct{})}
	u.object = &u.record.Object
	u.asked = u.object.requests()
	u.log = e.cfg.Log.With("object", u.object.Ref.Name)
	u.shmPath = u.ownShm()
	if u.object.Spec.HostIPC || u.object.Join.IPC == "host" {
		u.shmPath = "/dev/shm"
	}
	if !u.object.plain() {
		u.infra = &container{unit: u, run: &u.record.Infra, kind: sandbox.KindInfra}
	}
	u.bind()
	return u
}

// bind points the unit's containers at its record and object, whose lists may be new or have grown.
func (u *unit) bind() {
	spec := &u.object.Spec
	u.inits = bound(u, u.inits, u.record.Init, func(i int) *sandbox.ContainerSpec { return &spec.InitContainers[i] })
	for _, c := range u.inits {
		c.role = sandbox.RoleInit
		if c.spec.RestartPolicy == always {
			c.role = sandbox.RoleSidecar
		}
	}
	u.apps = bound(u, u.apps, u.record.Containers, func(i int) *sandbox.ContainerSpec { return &spec.Containers[i] })
	u.ephemerals = bound(u, u.ephemerals, u.record.Ephemeral, func(i int) *sandbox.ContainerSpec { return &spec.EphemeralContainers[i].ContainerSpec })
	for i, c := range u.ephemerals {
		c.role, c.target = sandbox.RoleEphemeral, spec.EphemeralContainers[i].TargetContainerName
	}
}

func bound(u *unit, list []*container, runs []run, spec func(int) *sandbox.ContainerSpec) []*container {
	kind := sandbox.KindApp
	if u.object.plain() {
		kind = sandbox.KindPlain
	}
	for i := range runs {
		if i == len(list) {
			list = append(list, &container{unit: u, kind: kind})
		}
		list[i].run, list[i].spec = &runs[i], spec(i)
	}
	return list
}

// run is the unit's goroutine. It ends when the unit is gone or the engine closes.
func (u *unit) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer u.releaseSandbox()
	for {
		next, gone := u.sync()
		if gone {
			return
		}
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return
		case command := <-u.commands:
			command()
		case <-timer.C:
		}
	}
}

// post has the unit's goroutine run fn some time; a unit that is gone never does.
func (u *unit) post(fn func()) {
	select {
	case u.commands <- fn:
	case <-u.done:
	case <-u.engine.closing:
	}
}

// do has the unit's goroutine run fn and waits for its result.
func (u *unit) do(ctx context.Context, fn func() error) error {
	result := make(chan error, 1)
	select {
	case u.commands <- func() { result <- fn() }:
		return <-result
	case <-u.done:
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", u.object.Ref.Kind, "name", u.object.Ref.Name)
	case <-u.engine.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sync takes the unit one step nearer to what it shall be, and says when to look again (zero: when something happens).
func (u *unit) sync() (next time.Time, gone bool) {
	now := time.Now()
	if u.record.Deleted.IsZero() {
		u.checkSizes(now)
		u.checkDeadline(now)
	}
	u.stopInOrder(now)
	u.killOverdue(now)
	switch {
	case !u.record.Deleted.IsZero():
		if u.anyRunning() {
			return u.nextDeadline(), false
		}
		u.remove()
		return time.Time{}, true
	case u.record.Finished:
		return time.Time{}, false
	case !u.ready() && !u.makeReady():
		return earliest(earliest(u.nextDeadline(), u.retryAt), u.activeDeadline()), false
	}
	for u.startDue() { // what was started may let the next start
		continue
	}
	return u.nextDue(time.Now()), false
}

// startDue starts every container whose time and turn has come, side by side. false: there was none.
func (u *unit) startDue() bool {
	due := u.due(time.Now())
	if len(due) == 0 {
		return false
	}
	for _, c := range due {
		c.run.Attempt++
	}
	u.save() // an agent that finds this finds what was being made, too
	u.take(launchAll(due, nil))
	return true
}

// outcomes are of containers that are being launched side by side.
type outcomes struct {
	results chan outcome
	missing int
}

type outcome struct {
	c    *container
	made *launched
	err  error
}

func launchAll(list []*container, in *making) *outcomes {
	o := &outcomes{make(chan outcome), len(list)}
	for _, c := range list {
		go func() {
			made, err := c.launch(in)
			o.results <- outcome{c, made, err}
		}()
	}
	return o
}

func (o *outcomes) next() (outcome, bool) {
	if o.missing == 0 {
		return outcome{}, false
	}
	o.missing--
	return <-o.results, true
}

// take waits for what was launched, and publishes each container as it is there.
func (u *unit) take(launched *outcomes) {
	for r, ok := launched.next(); ok; r, ok = launched.next() {
		if r.err != nil {
			r.c.failed(r.err)
		} else {
			r.c.started(r.made)
		}
		u.publish()
	}
	u.settle()
}

// settle ends the unit's run when no container is left that will run again: first the sidecars, which go on until then, and what was
// added to look into the pod. The kubelet stops the sandbox of such a pod.
func (u *unit) settle() {
	if u.record.Finished || u.appsWillRun() {
		return
	}
	if slices.ContainsFunc(u.members(), (*container).isRunning) {
		u.end(time.Duration(u.object.grace())*time.Second, "completed")
		return
	}
	u.record.Finished = true
	if u.infra != nil && u.infra.run.State == running {
		u.infra.signalKill()
	}
	u.publish()
}

// delete asks for the unit's end. A second call can only shorten the first one's grace.
func (u *unit) delete(grace int64) {
	if grace < 0 {
		grace = u.object.grace()
	}
	if u.record.Deleted.IsZero() {
		u.record.Deleted = time.Now()
		u.object.Meta.DeletionTimestamp = stamp(u.record.Deleted.Add(time.Duration(grace) * time.Second))
	} else if grace >= u.record.Grace {
		return
	}
	u.record.Grace = grace
	u.end(time.Duration(grace)*time.Second, "")
	u.publish()
}

// killOverdue kills what has not ended within its grace, and a deleted pod's infra once it is alone.
func (u *unit) killOverdue(now time.Time) {
	alone := true
	for _, c := range u.members() {
		if !c.isRunning() {
			continue
		}
		alone = false
		if by := c.run.StopBy; !by.IsZero() && !now.Before(by) {
			c.overdue()
		}
	}
	if alone && u.infra != nil && u.infra.run.State == running && !u.record.Deleted.IsZero() {
		u.infra.signalKill()
	}
}

func (u *unit) anyRunning() bool {
	return slices.ContainsFunc(u.all(), (*container).isRunning)
}

// members lists the containers of the manifest, in the order in which they start.
func (u *unit) members() []*container { return slices.Concat(u.inits, u.apps, u.ephemerals) }

// all lists infra, if any, and the containers of the manifest.
func (u *unit) all() []*container {
	if u.infra == nil {
		return u.members()
	}
	return append([]*container{u.infra}, u.members()...)
}

func (u *unit) nextDeadline() (next time.Time) {
	for _, c := range u.members() {
		switch {
		case !c.isRunning() || c.killed:
		case c.run.StopBy.IsZero():
			next = earliest(next, u.record.Ending.By) // a sidecar whose turn has not come
		default:
			next = earliest(next, c.run.StopBy)
		}
	}
	return next
}

func (u *unit) nextDue(now time.Time) time.Time {
	next := earliest(earliest(u.nextDeadline(), u.measureAt), u.activeDeadline())
	for _, c := range u.members() {
		if c.due.After(now) && !c.isRunning() && c.willRun() {
			next = earliest(next, c.due)
		}
	}
	return next
}

// earliest of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// publish keeps the record and lets others see it.
func (u *unit) publish() {
	u.record.noteConditions(time.Now())
	u.save()
	u.show()
}

// show makes the view of the unit as it is.
func (u *unit) show() {
	v := &view{record: u.record.clone(), volumes: u.volumes(), shm: u.shm(), dir: u.dir()}
	for _, c := range u.all() {
		if c.kind == sandbox.KindInfra && c.run.Name == "" {
			continue // not made yet
		}
		s := u.record.subject(c.run, c.kind, u.cgroup(c.run.Name))
		s.Role = c.role
		if c.spec != nil {
			s.Stdin, s.TTY = c.spec.Stdin, c.spec.TTY
		}
		v.subject = append(v.subject, s)
	}
	if !u.object.plain() {
		v.pod = &sandbox.Pod{APIVersion: sandbox.APIVersionPod, Kind: sandbox.ManifestPod, Metadata: u.object.Meta,
			Spec: u.object.Spec, Status: u.record.status(u.engine.bridge.Address.String())}
	}
	u.view.Store(v)
	u.engine.notify()
}

// remove takes away everything that is left of a unit that has ended, and the unit itself.
func (u *unit) remove() {
	u.tearDownSandbox()
	u.releaseSandbox()
	u.tearDownVolumes()
	if err := removeTree(u.dir()); err != nil {
		u.log.Error("directory not removed", "err", err)
	}
	if !u.object.plain() {
		if err := removeGroup("/pods/" + u.object.Ref.Name); err != nil {
			u.log.Error("control group not removed", "err", err)
		}
	}
	u.engine.forget(u)
}

// dir is the unit's own directory on the node's disk, laid out as /var/lib/kubelet/pods/UID is.
func (u *unit) dir() string {
	if u.object.plain() {
		return filepath.Join(u.engine.cfg.Disk, "containers", u.record.UID)
	}
	return filepath.Join(u.engine.cfg.Disk, "pods", u.record.UID)
}

// logPath is the log of one attempt at running a container.
func (u *unit) logPath(name string, attempt int) string { return logPath(u.dir(), name, attempt) }

func logPath(dir, name string, attempt int) string {
	return filepath.Join(dir, "logs", name, strconv.Itoa(attempt)+".log")
}

func (u *unit) cgroup(name string) string {
	if u.object.plain() {
		return "/containers/" + name
	}
	return "/pods/" + u.object.Ref.Name + "/" + name
}

func (u *unit) hostname() string {
	switch {
	case u.object.Spec.HostNetwork || u.object.Join.UTS == "host":
		return u.engine.cfg.Hostname
	case u.object.Spec.Hostname != "":
		return u.object.Spec.Hostname
	}
	return u.object.Ref.Name
}

// shm is the /dev/shm of the unit's IPC namespace, on the node.
func (u *unit) shm() string { return u.shmPath }

// emit sends a moment about the unit's container c, or about the unit itself for nil.
func (u *unit) emit(kind, reason string, c *container, params ...string) {
	m := sandbox.Moment{Kind: kind, Reason: reason}
	if !u.object.plain() {
		m.Pod = u.object.Ref.Name
	} else if c == nil { // what happens to the whole of a plain container happens to a container
		c = u.apps[0]
		if kind == sandbox.MomentPod {
			m.Kind = sandbox.MomentContainer
		}
	}
	if c != nil {
		m.Container = u.record.id(c.name())
		if c.run.State == running {
			m.PID = c.run.PID
		}
	}
	for i := 0; i+1 < len(params); i += 2 {
		if m.Params == nil {
			m.Params = map[string]string{}
		}
		m.Params[params[i]] = params[i+1]
	}
	u.engine.emit(m)
}
