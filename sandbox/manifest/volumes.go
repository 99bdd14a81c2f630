package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"podlab/sandbox"
)

func (d *document) volumes(volumes []sandbox.VolumeSource) error {
	names := map[string]bool{}
	for i, v := range volumes {
		at := fmt.Sprintf("spec.volumes[%d]", i)
		if err := d.name(at+".name", v.Name); err != nil {
			return err
		}
		if names[v.Name] {
			return d.bad(at+".name", v.Name, WantUnique)
		}
		names[v.Name] = true
		if err := d.source(at, v); err != nil {
			return err
		}
	}
	return nil
}

// source: a key that stands there with nothing behind it (emptyDir:) is a source in Kubernetes' YAML only when written {}.
func (d *document) source(at string, v sandbox.VolumeSource) error {
	if (v.EmptyDir == nil) == (v.HostPath == nil) {
		return d.bad(at, v.Name, WantOneSource)
	}
	if v.EmptyDir != nil {
		return d.choice(at+".emptyDir.medium", v.EmptyDir.Medium, "Memory")
	}
	if err := d.choice(at+".hostPath.type", v.HostPath.Type, "DirectoryOrCreate", "Directory", "FileOrCreate", "File"); err != nil {
		return err
	}
	return d.absolute(at+".hostPath.path", v.HostPath.Path)
}

// mounts checks that each mount names a volume that is there, and that no two are at one path.
func (d *document) mounts(at string, c *sandbox.ContainerSpec, volumes []sandbox.VolumeSource) error {
	paths := map[string]bool{}
	for i, m := range c.VolumeMounts {
		at := fmt.Sprintf("%s.volumeMounts[%d]", at, i)
		if m.Name == "" {
			return d.bad(at+".name", "", WantRequired)
		}
		if !slices.ContainsFunc(volumes, func(v sandbox.VolumeSource) bool { return v.Name == m.Name }) {
			return d.noVolume(at+".name", m.Name, c.Name, volumes)
		}
		if err := d.mountPath(at+".mountPath", m.MountPath, paths); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) noVolume(at, name, container string, volumes []sandbox.VolumeSource) error {
	known := make([]string, len(volumes))
	for i, v := range volumes {
		known[i] = v.Name
	}
	return positioned(sandbox.CodeVolumeNotFound, d.nearest(at),
		"name", cut(name, maxExcerpt), "container", container, "known", cut(strings.Join(known, ", "), maxField), "field", at)
}

func (d *document) mountPath(at, p string, taken map[string]bool) error {
	if p == "" {
		return d.bad(at, "", WantRequired)
	}
	if err := d.absolute(at, p); err != nil {
		return err
	}
	p = path.Clean(p)
	if p == "/" {
		return d.bad(at, p, WantPath)
	}
	if taken[p] {
		return d.bad(at, p, WantUnique)
	}
	taken[p] = true
	return nil
}
