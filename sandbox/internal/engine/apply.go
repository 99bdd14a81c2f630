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
// start has begun. Errors: bad_manifest, bad_value, unknown_image, name_taken, over_capacity, immutable, not_found and
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
	for _, c := range o.Spec.Containers {
		r.Containers = append(r.Containers, run{Name: c.Name, Image: c.Image, State: waiting, Reason: reasonCreating})
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

// change applies a changed manifest to a living unit. Kubernetes lets little of a pod change: here labels, annotations, and a
// container's image, which replaces that container and nothing else.
func (u *unit) change(to *object) (action string, err error) {
	if !u.record.Deleted.IsZero() {
		return "", sandbox.Errorf(sandbox.CodeNameTaken, "kind", u.object.Ref.Kind, "name", u.object.Ref.Name)
	}
	images := u.changedImages(to)
	if field := firstDifference(u.object, to, !u.object.plain()); field != "" {
		return "", sandbox.Errorf(sandbox.CodeImmutable, "field", field)
	}
	labels := !maps.Equal(u.object.Meta.Labels, to.Meta.Labels) || !maps.Equal(u.object.Meta.Annotations, to.Meta.Annotations)
	if len(images) == 0 && !labels {
		return unchanged, nil
	}
	u.object.Meta.Labels, u.object.Meta.Annotations = to.Meta.Labels, to.Meta.Annotations
	u.object.Spec.Containers = slices.Clone(u.object.Spec.Containers) // views hold the old ones
	for i, c := range u.apps {
		c.spec = &u.object.Spec.Containers[i]
	}
	for _, i := range images {
		u.object.Spec.Containers[i].Image = to.Spec.Containers[i].Image
		u.apps[i].replace()
	}
	u.publish()
	u.refreshVolumes()
	return configured, nil
}

// replace stops a container so that it is started again with its new image; one that waits is started at once.
func (c *container) replace() {
	u := c.unit
	c.replaced = true
	if c.run.State == running {
		c.stop(time.Duration(u.object.grace())*time.Second, "definition")
		return
	}
	c.due = time.Time{}
	u.record.Finished = false // a pod that had ended runs again; the kubelet would not, and the learner would wonder
}

// changedImages lists the containers whose image differs.
func (u *unit) changedImages(to *object) (indexes []int) {
	if u.object.plain() || len(to.Spec.Containers) != len(u.object.Spec.Containers) {
		return nil
	}
	for i, c := range to.Spec.Containers {
		if c.Image != u.object.Spec.Containers[i].Image {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// firstDifference names the first field of the specification that differs, but for images if they may.
func firstDifference(from, to *object, imagesMay bool) string {
	if from.Join != to.Join {
		return "spec.join"
	}
	a, b := from.Spec, to.Spec
	a.Containers, b.Containers = nil, nil
	if field := differs("spec", a, b); field != "" {
		return field
	}
	if len(from.Spec.Containers) != len(to.Spec.Containers) {
		return "spec.containers"
	}
	for i := range to.Spec.Containers {
		x, y := from.Spec.Containers[i], to.Spec.Containers[i]
		if imagesMay {
			x.Image = y.Image
		}
		at := "spec"
		if !from.plain() {
			at = "spec.containers[" + strconv.Itoa(i) + "]"
		}
		if field := differs(at, x, y); field != "" {
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
