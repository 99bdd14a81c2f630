package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"path"
	"regexp"
	"strconv"
	"strings"

	"podlab/sandbox"
)

// runOptions are docker run's.
type runOptions struct {
	detach, remove, stdin, tty, privileged       bool
	name, entrypoint, dir, user, memory          []string
	net, ipc, pid, uts, cpus, pids, volumes, env []string
}

func (o *runOptions) flags() flags {
	return flags{
		strict: true,
		bools: map[string]*bool{
			"d": &o.detach, "detach": &o.detach, "rm": &o.remove, "i": &o.stdin, "interactive": &o.stdin, "t": &o.tty, "tty": &o.tty,
			"privileged": &o.privileged,
		},
		values: map[string]*[]string{
			"name": &o.name, "entrypoint": &o.entrypoint, "w": &o.dir, "workdir": &o.dir, "u": &o.user, "user": &o.user,
			"m": &o.memory, "memory": &o.memory, "net": &o.net, "network": &o.net, "ipc": &o.ipc, "pid": &o.pid, "uts": &o.uts,
			"cpus": &o.cpus, "pids-limit": &o.pids, "v": &o.volumes, "volume": &o.volumes, "e": &o.env, "env": &o.env,
		},
	}
}

// object is the manifest that the options mean.
func (o *runOptions) object(image string, args []string) (sandbox.PlainContainer, error) {
	spec := sandbox.PlainSpec{RestartPolicy: "Never"}
	spec.Image, spec.Args = image, args
	if entry := last(o.entrypoint, ""); entry != "" {
		spec.Command = []string{entry}
	}
	spec.WorkingDir = last(o.dir, "")
	spec.Stdin, spec.StdinOnce, spec.TTY = o.stdin, o.stdin && !o.detach, o.tty
	if err := errors.Join(o.limits(&spec), o.mounts(&spec), o.environment(&spec), o.security(&spec)); err != nil {
		var first *usageError
		errors.As(err, &first)
		return sandbox.PlainContainer{}, first
	}
	join := sandbox.Join{Network: last(o.net, ""), IPC: last(o.ipc, ""), PID: last(o.pid, ""), UTS: last(o.uts, "")}
	for _, ref := range []string{join.Network, join.IPC, join.PID, join.UTS} {
		if ref != "" && ref != "host" && !strings.HasPrefix(ref, "container:") {
			return sandbox.PlainContainer{}, wrongUsage("bad_join", "value", ref)
		}
	}
	if join != (sandbox.Join{}) {
		spec.Join = &join
	}
	name := last(o.name, "")
	if name == "" {
		name = newName(image)
	}
	if !validName.MatchString(name) {
		return sandbox.PlainContainer{}, wrongUsage("bad_name", "value", name)
	}
	spec.Name = name
	return sandbox.PlainContainer{
		APIVersion: sandbox.APIVersionContainer, Kind: sandbox.ManifestContainer, Metadata: sandbox.ObjectMeta{Name: name}, Spec: spec,
	}, nil
}

// validName is a DNS-1123 label, as for every object.
var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func newName(image string) string {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	base := strings.Trim(path.Base(strings.Split(image, ":")[0]), "-._")
	return strings.ToLower(base) + "-" + hex.EncodeToString(b[:])
}

func (o *runOptions) limits(spec *sandbox.PlainSpec) error {
	limits := map[string]string{}
	if text := last(o.memory, ""); text != "" {
		limits["memory"] = kubernetesMemory(text)
	}
	if text := last(o.cpus, ""); text != "" {
		limits["cpu"] = text
	}
	if text := last(o.pids, ""); text != "" {
		limits["podlab.dev/pids"] = text
	}
	for _, text := range limits {
		if _, err := sandbox.ParseQuantity(text); err != nil {
			return wrongUsage("bad_number", "value", text)
		}
	}
	if len(limits) > 0 {
		spec.Resources.Limits = limits
	}
	return nil
}

// kubernetesMemory turns docker's sizes into Kubernetes': docker's 64m are 64Mi, while Kubernetes' 64m would be thousandths.
func kubernetesMemory(text string) string {
	lower := strings.TrimSuffix(strings.ToLower(text), "b")
	number := strings.TrimRight(lower, "kmg")
	if _, err := strconv.ParseUint(number, 10, 63); err != nil {
		return text
	}
	return number + map[string]string{"": "", "k": "Ki", "m": "Mi", "g": "Gi"}[lower[len(number):]]
}

func (o *runOptions) mounts(spec *sandbox.PlainSpec) error {
	for i, text := range o.volumes {
		parts := strings.Split(text, ":")
		if len(parts) < 2 || len(parts) > 3 || len(parts) == 3 && parts[2] != "ro" && parts[2] != "rw" ||
			!strings.HasPrefix(parts[0], "/") || !strings.HasPrefix(parts[1], "/") {
			return wrongUsage("bad_volume", "value", text)
		}
		name := "volume-" + strconv.Itoa(i+1)
		spec.Volumes = append(spec.Volumes, sandbox.VolumeSource{Name: name, HostPath: &sandbox.HostPath{Path: parts[0], Type: "DirectoryOrCreate"}})
		spec.VolumeMounts = append(spec.VolumeMounts, sandbox.VolumeMount{Name: name, MountPath: parts[1], ReadOnly: len(parts) == 3 && parts[2] == "ro"})
	}
	return nil
}

func (o *runOptions) environment(spec *sandbox.PlainSpec) error {
	for _, text := range o.env {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return wrongUsage("bad_env", "value", text)
		}
		spec.Env = append(spec.Env, sandbox.EnvVar{Name: name, Value: value})
	}
	return nil
}

func (o *runOptions) security(spec *sandbox.PlainSpec) error {
	var sc sandbox.SecurityContext
	if o.privileged {
		sc.Privileged = &o.privileged
	}
	if text := last(o.user, ""); text != "" {
		user, group, both := strings.Cut(text, ":")
		uid, err := strconv.ParseInt(user, 10, 32)
		if err != nil || uid < 0 {
			return wrongUsage("bad_number", "value", text)
		}
		sc.RunAsUser = &uid
		if both {
			gid, err := strconv.ParseInt(group, 10, 32)
			if err != nil || gid < 0 {
				return wrongUsage("bad_number", "value", text)
			}
			sc.RunAsGroup = &gid
		}
	}
	if sc != (sandbox.SecurityContext{}) {
		spec.SecurityContext = &sc
	}
	return nil
}
