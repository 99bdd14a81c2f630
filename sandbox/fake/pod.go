package fake

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"podlab/sandbox"
)

type pod struct {
	pod     sandbox.Pod
	infra   *container
	apps    []*container
	ip      string
	mac     string
	volumes []sandbox.Volume
}

type container struct {
	spec     sandbox.ContainerSpec
	policy   string
	plain    *sandbox.PlainContainer
	view     sandbox.Container
	process  *sandbox.Process
	pod      *pod
	log      string
	previous string
	last     *sandbox.ContainerTerminated
}

func (a *Agent) pid() int { a.nextPID++; return a.nextPID }

func (a *Agent) inode() uint64 { a.nextNS++; return a.nextNS }

func (a *Agent) newNamespaces() sandbox.Namespaces {
	return sandbox.Namespaces{
		Net: a.inode(), IPC: a.inode(), UTS: a.inode(), PID: a.inode(), Mnt: a.inode(), User: 4026531837, Cgroup: a.inode(),
	}
}

func knownImage(image string) error {
	name, _, _ := strings.Cut(image, ":")
	if slices.Contains(Images, name) {
		return nil
	}
	return sandbox.Errorf(sandbox.CodeUnknownImage, "image", image, "known", strings.Join(Images, ", "))
}

func (a *Agent) applyPod(spec sandbox.Pod) (sandbox.Applied, error) {
	done := sandbox.Applied{Ref: sandbox.Ref{Kind: sandbox.ManifestPod, Name: spec.Metadata.Name}}
	if spec.Metadata.Name == "" {
		return done, sandbox.Errorf(sandbox.CodeBadValue, "field", "metadata.name", "value", "")
	}
	for _, c := range spec.Spec.Containers {
		if err := knownImage(c.Image); err != nil {
			return done, err
		}
	}
	for _, p := range a.pods {
		if p.pod.Metadata.Name == spec.Metadata.Name {
			return a.reapplyPod(p, spec, done)
		}
	}
	p := &pod{pod: spec, ip: fmt.Sprintf("10.88.0.%d", a.nextIP), mac: fmt.Sprintf("02:00:0a:58:00:%02x", a.nextIP)}
	a.nextIP++
	p.pod.Metadata.UID = fmt.Sprintf("00000000-0000-4000-8000-%012d", a.nextPID)
	p.pod.Metadata.CreationTimestamp = time.Now().UTC().Format(time.RFC3339)
	a.makeVolumes(p)
	p.infra = &container{spec: sandbox.ContainerSpec{Name: "pause", Image: "podlab/pause"}, pod: p}
	p.infra.view = sandbox.Container{
		ID: spec.Metadata.Name + "/_infra", Name: "pause", Pod: spec.Metadata.Name, Kind: sandbox.KindInfra, Image: "podlab/pause", NS: a.newNamespaces(),
	}
	a.joinHost(&p.infra.view.NS, spec.Spec)
	a.start(p.infra, []string{"/pause"})
	a.pods = append(a.pods, p)
	for _, c := range spec.Spec.Containers {
		a.addApp(p, c)
	}
	done.Action = "created"
	return done, nil
}

func (a *Agent) joinHost(ns *sandbox.Namespaces, spec sandbox.PodSpec) {
	if spec.HostNetwork {
		ns.Net = a.node.NS.Net
	}
	if spec.HostIPC {
		ns.IPC = a.node.NS.IPC
	}
}

// reapplyPod changes images in place, as Kubernetes allows; anything else is immutable.
func (a *Agent) reapplyPod(p *pod, spec sandbox.Pod, done sandbox.Applied) (sandbox.Applied, error) {
	done.Action = "unchanged"
	if len(spec.Spec.Containers) != len(p.pod.Spec.Containers) {
		return done, sandbox.Errorf(sandbox.CodeImmutable, "field", "spec.containers")
	}
	for i, c := range spec.Spec.Containers {
		old := p.pod.Spec.Containers[i]
		image := c.Image
		c.Image = old.Image
		if !reflect.DeepEqual(c, old) {
			return done, sandbox.Errorf(sandbox.CodeImmutable, "field", fmt.Sprintf("spec.containers[%d]", i))
		}
		if image == old.Image {
			continue
		}
		done.Action = "configured"
		p.pod.Spec.Containers[i].Image = image
		app := p.apps[i]
		a.stop(app, sandbox.Exit{Code: 143, Signal: 15})
		app.spec.Image, app.view.Image = image, image
		app.view.Restarts++
		a.run(app)
	}
	return done, nil
}

func (a *Agent) addApp(p *pod, spec sandbox.ContainerSpec) {
	ns := p.infra.view.NS
	own := a.newNamespaces()
	ns.Mnt, ns.Cgroup = own.Mnt, own.Cgroup
	if s := p.pod.Spec.ShareProcessNamespace; s == nil || !*s {
		ns.PID = own.PID
	}
	if p.pod.Spec.HostPID {
		ns.PID = a.node.NS.PID
	}
	policy := p.pod.Spec.RestartPolicy
	if policy == "" {
		policy = "Always"
	}
	c := &container{spec: spec, policy: policy, pod: p}
	name := p.pod.Metadata.Name
	c.view = sandbox.Container{
		ID: name + "/" + spec.Name, Name: spec.Name, Pod: name, Kind: sandbox.KindApp, Image: spec.Image, NS: ns, Stdin: spec.Stdin, TTY: spec.TTY,
	}
	c.view.Layers = layers(name, spec)
	c.view.Mounts = mounts(p.volumes, spec.VolumeMounts)
	p.apps = append(p.apps, c)
	a.run(c)
}

func layers(pod string, spec sandbox.ContainerSpec) []sandbox.Layer {
	return []sandbox.Layer{
		{Digest: "sha256:" + fmt.Sprintf("%064x", len(spec.Image)*7919), Path: "/var/lib/podlab/images/layers/" + spec.Image, Bytes: 1 << 20},
		{Path: "/var/lib/podlab/disk/" + pod + "/" + spec.Name + "/upper", Writable: true},
	}
}

func (a *Agent) applyPlain(spec sandbox.PlainContainer) (sandbox.Applied, error) {
	name := spec.Metadata.Name
	done := sandbox.Applied{Ref: sandbox.Ref{Kind: sandbox.ManifestContainer, Name: name}, Action: "created"}
	if err := knownImage(spec.Spec.Image); err != nil {
		return done, err
	}
	if a.container(name) != nil {
		done.Action = "unchanged"
		return done, nil
	}
	ns := a.newNamespaces()
	if err := a.join(&ns, spec.Spec.Join); err != nil {
		return done, err
	}
	c := &container{spec: spec.Spec.ContainerSpec, policy: spec.Spec.RestartPolicy, plain: &spec}
	c.view = sandbox.Container{
		ID: name, Name: name, Kind: sandbox.KindPlain, Image: spec.Spec.Image, NS: ns, Layers: layers("_plain", spec.Spec.ContainerSpec),
		Stdin: spec.Spec.Stdin, TTY: spec.Spec.TTY,
	}
	a.plain = append(a.plain, c)
	a.run(c)
	return done, nil
}

func (a *Agent) join(ns *sandbox.Namespaces, join *sandbox.Join) error {
	if join == nil {
		return nil
	}
	for _, j := range []struct {
		ref  string
		into *uint64
		of   func(sandbox.Namespaces) uint64
	}{
		{join.Network, &ns.Net, func(n sandbox.Namespaces) uint64 { return n.Net }},
		{join.IPC, &ns.IPC, func(n sandbox.Namespaces) uint64 { return n.IPC }},
		{join.PID, &ns.PID, func(n sandbox.Namespaces) uint64 { return n.PID }},
		{join.UTS, &ns.UTS, func(n sandbox.Namespaces) uint64 { return n.UTS }},
	} {
		name, isContainer := strings.CutPrefix(j.ref, "container:")
		switch {
		case j.ref == "":
		case j.ref == "host":
			*j.into = j.of(a.node.NS)
		case isContainer:
			other := a.container(name)
			if other == nil {
				return sandbox.Errorf(sandbox.CodeNotFound, "kind", "Container", "name", name)
			}
			if other.view.State != sandbox.StateRunning {
				return sandbox.Errorf(sandbox.CodeNotRunning, "kind", "Container", "name", name)
			}
			*j.into = j.of(other.view.NS)
		default:
			return sandbox.Errorf(sandbox.CodeBadValue, "field", "spec.join", "value", j.ref)
		}
	}
	return nil
}

func (a *Agent) makeVolumes(p *pod) {
	for _, v := range p.pod.Spec.Volumes {
		volume := sandbox.Volume{Pod: p.pod.Metadata.Name, Name: v.Name, Kind: "emptyDir", Dev: 7, Inode: a.inode(), Files: []sandbox.File{}}
		volume.Path = "/var/lib/podlab/disk/" + volume.Pod + "/volumes/" + v.Name
		switch {
		case v.HostPath != nil:
			volume.Kind, volume.Path = "hostPath", v.HostPath.Path
		case v.EmptyDir != nil && v.EmptyDir.Medium == "Memory":
			volume.Kind = "emptyDir/Memory"
		}
		p.volumes = append(p.volumes, volume)
	}
}

func mounts(volumes []sandbox.Volume, wanted []sandbox.VolumeMount) []sandbox.Mount {
	out := []sandbox.Mount{}
	for _, m := range wanted {
		for _, v := range volumes {
			if v.Name == m.Name {
				out = append(out, sandbox.Mount{Volume: v.Name, Source: v.Path, Path: m.MountPath, ReadOnly: m.ReadOnly, Dev: v.Dev, Inode: v.Inode})
			}
		}
	}
	return out
}

// container finds a container by its ID. The caller holds a.mu.
func (a *Agent) container(id string) *container {
	for _, c := range a.containers() {
		if c.view.ID == id {
			return c
		}
	}
	return nil
}

func (a *Agent) containers() []*container {
	var all []*container
	for _, p := range a.pods {
		all = append(all, p.infra)
		all = append(all, p.apps...)
	}
	return append(all, a.plain...)
}
