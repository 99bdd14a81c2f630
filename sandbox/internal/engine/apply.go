package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"podlab/sandbox"
)

// Values of sandbox.Applied.Action.
const (
	created    = "created"
	configured = "configured"
	unchanged  = "unchanged"
)

// Apply makes or changes one object, JSON of sandbox.Pod, PlainContainer, ConfigMap or Secret, and returns when it is recorded and its
// start has begun. Errors: bad_manifest, bad_value, unknown_image (see images), name_taken, over_capacity, immutable, not_found and
// not_running (of what it joins).
func (e *Engine) Apply(ctx context.Context, data []byte) (sandbox.Applied, error) {
	kind, err := kindOf(data)
	if err != nil {
		return sandbox.Applied{}, err
	}
	if _, isData := dataPrefix[kind]; isData {
		return e.applyData(kind, data)
	}
	o, err := decode(kind, data)
	if err != nil {
		return sandbox.Applied{}, err
	}
	applied := sandbox.Applied{Ref: o.Ref}
	if err := o.images(e.cfg.Images); err != nil {
		return applied, err
	}
	e.mu.Lock()
	old := e.units[o.Ref]
	e.mu.Unlock()
	if old != nil {
		err := old.do(ctx, func() (err error) {
			applied.Action, err = old.change(o)
			return err
		})
		return applied, err
	}
	if len(o.Spec.EphemeralContainers) > 0 {
		return applied, badValue("spec.ephemeralContainers", o.Spec.EphemeralContainers[0].Name, "only in a pod that is there already")
	}
	if err := e.checkJoins(ctx, o); err != nil {
		return applied, err
	}
	applied.Action = created
	return applied, e.create(o)
}

// create makes a unit of a new object.
func (e *Engine) create(o *object) error {
	r := record{UID: newUID(), Created: time.Now(), Object: *o}
	r.Object.Meta.UID = r.UID
	r.Object.Meta.CreationTimestamp = stamp(r.Created)
	for _, c := range o.Spec.InitContainers {
		r.Init = append(r.Init, run{Name: c.Name, Image: c.Image, State: waiting, Reason: reasonInitializing})
	}
	for _, c := range o.Spec.Containers {
		r.Containers = append(r.Containers, run{Name: c.Name, Image: c.Image, State: waiting, Reason: firstReason(&o.Spec)})
	}
	u := newUnit(e, r)
	if err := e.admit(u); err != nil {
		return err
	}
	if !o.plain() {
		u.emit(sandbox.MomentPod, "Scheduled", nil, "node", e.cfg.Hostname)
	}
	e.start(e.life, u)
	return nil
}

// maxObjects bounds the pods and plain containers of a node: the kubelet's default.
const maxObjects = 110

// admit enters a unit if its name is free and the node has room for it.
func (e *Engine) admit(u *unit) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.closing:
		return errClosed
	default:
	}
	if len(e.units) >= maxObjects {
		return sandbox.Errorf(sandbox.CodeOverCapacity, "resource", "pods", "asked", "1", "free", "0")
	}
	var taken amount
	for ref, other := range e.units {
		if ref.Name == u.object.Ref.Name { // pods and plain containers share one name space: both own a network of that name
			return sandbox.Errorf(sandbox.CodeNameTaken, "kind", ref.Kind, "name", ref.Name)
		}
		taken.memory += other.asked.memory
		taken.cpu += other.asked.cpu
	}
	if err := e.cfg.Capacity.fits(u.asked, taken); err != nil {
		return err
	}
	e.order++
	u.record.Order = e.order
	u.publish()
	e.units[u.object.Ref] = u
	return nil
}

// change applies a changed manifest to a living unit. Kubernetes lets little of a pod change (API reference, Pod update): here labels,
// annotations, a nearer activeDeadlineSeconds, ephemeral containers that are added, and a container's image, which replaces that
// container and nothing else.
func (u *unit) change(to *object) (action string, err error) {
	if !u.record.Deleted.IsZero() {
		return "", sandbox.Errorf(sandbox.CodeNameTaken, "kind", u.object.Ref.Kind, "name", u.object.Ref.Name)
	}
	added, err := u.newEphemerals(to)
	if err != nil {
		return "", err
	}
	if field := firstDifference(u.object, to, !u.object.plain()); field != "" {
		return "", sandbox.Errorf(sandbox.CodeImmutable, "field", field)
	}
	meta, spec := &u.object.Meta, &u.object.Spec
	labels := !maps.Equal(meta.Labels, to.Meta.Labels) || !maps.Equal(meta.Annotations, to.Meta.Annotations)
	deadline := !reflect.DeepEqual(spec.ActiveDeadlineSeconds, to.Spec.ActiveDeadlineSeconds)
	meta.Labels, meta.Annotations = to.Meta.Labels, to.Meta.Annotations
	spec.ActiveDeadlineSeconds = to.Spec.ActiveDeadlineSeconds
	u.addEphemerals(added)
	images := u.changeImages(to)
	if !labels && !deadline && !images && len(added) == 0 {
		return unchanged, nil
	}
	u.publish()
	u.refreshVolumes()
	return configured, nil
}

// changeImages replaces the containers whose image differs. An init container that has succeeded is not run again for that.
func (u *unit) changeImages(to *object) (changed bool) {
	spec := &u.object.Spec
	spec.Containers, spec.InitContainers = slices.Clone(spec.Containers), slices.Clone(spec.InitContainers) // views hold the old ones
	u.bind()
	for i, c := range u.inits {
		if image := to.Spec.InitContainers[i].Image; image != c.spec.Image {
			c.spec.Image, changed = image, true
			if c.role == sandbox.RoleSidecar {
				c.replace()
			}
		}
	}
	for i, c := range u.apps {
		if image := to.Spec.Containers[i].Image; image != c.spec.Image {
			c.spec.Image, changed = image, true
			c.replace()
		}
	}
	return changed
}

// replace stops a container so that it is started again with its new image; one that waits is started at once.
func (c *container) replace() {
	u := c.unit
	c.run.Again = againImage
	if c.isRunning() {
		now := time.Now()
		c.stop(now, now.Add(time.Duration(u.object.grace())*time.Second), "definition")
		return
	}
	c.due, u.record.Ending = time.Time{}, ending{}
	u.record.Finished = false // a pod that had ended runs again; the kubelet would not, and the learner would wonder
}

// firstDifference names the first field of the specification that differs, but for what may: images if imagesMay, an active deadline that
// comes nearer, and ephemeral containers, which newEphemerals looks at.
func firstDifference(from, to *object, imagesMay bool) string {
	if from.Join != to.Join {
		return "spec.join"
	}
	a, b := from.Spec, to.Spec
	a.Containers, b.Containers, a.InitContainers, b.InitContainers = nil, nil, nil, nil
	a.EphemeralContainers, b.EphemeralContainers = nil, nil
	if old, next := a.ActiveDeadlineSeconds, b.ActiveDeadlineSeconds; next != nil && (old == nil || *next < *old) {
		a.ActiveDeadlineSeconds = next
	}
	if field := differs("spec", a, b); field != "" {
		return field
	}
	if from.plain() {
		return differs("spec", from.Spec.Containers[0], to.Spec.Containers[0])
	}
	if field := firstOfList("spec.initContainers", from.Spec.InitContainers, to.Spec.InitContainers, imagesMay); field != "" {
		return field
	}
	return firstOfList("spec.containers", from.Spec.Containers, to.Spec.Containers, imagesMay)
}

func firstOfList(at string, from, to []sandbox.ContainerSpec, imagesMay bool) string {
	if len(from) != len(to) {
		return at
	}
	for i := range to {
		x, y := from[i], to[i]
		if imagesMay {
			x.Image = y.Image
		}
		if field := differs(at+"["+strconv.Itoa(i)+"]", x, y); field != "" {
			return field
		}
	}
	return ""
}

// differs names the first field of two structs, by their JSON names, that is not deeply equal; empty and absent are the same.
func differs(at string, a, b any) string {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		f, g := x.Field(i), y.Field(i)
		if isEmpty(f) && isEmpty(g) || reflect.DeepEqual(f.Interface(), g.Interface()) {
			continue
		}
		name, _, _ := strings.Cut(x.Type().Field(i).Tag.Get("json"), ",")
		return at + "." + name
	}
	return ""
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero()
}

// newUID is a version 4 UUID.
func newUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
