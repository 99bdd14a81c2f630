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
	if count(v.EmptyDir != nil, v.HostPath != nil, v.ConfigMap != nil, v.Secret != nil, v.DownwardAPI != nil, v.Projected != nil) != 1 {
		return d.bad(at, v.Name, WantOneSource)
	}
	switch {
	case v.EmptyDir != nil:
		return d.choice(at+".emptyDir.medium", v.EmptyDir.Medium, "Memory")
	case v.HostPath != nil:
		return d.hostPath(at+".hostPath", v.HostPath)
	case v.ConfigMap != nil:
		return d.dataSource(at+".configMap", "name", v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.DefaultMode)
	case v.Secret != nil:
		return d.dataSource(at+".secret", "secretName", v.Secret.SecretName, v.Secret.Items, v.Secret.DefaultMode)
	case v.DownwardAPI != nil:
		if err := d.mode(at+".downwardAPI.defaultMode", v.DownwardAPI.DefaultMode); err != nil {
			return err
		}
		return d.downward(at+".downwardAPI", v.DownwardAPI.Items, map[string]bool{})
	}
	return d.projected(at+".projected", v.Projected)
}

func (d *document) hostPath(at string, h *sandbox.HostPath) error {
	err := d.choice(at+".type", h.Type, "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice")
	if err != nil {
		return err
	}
	return d.absolute(at+".path", h.Path)
}

func (d *document) dataSource(at, nameField, name string, items []sandbox.KeyToPath, mode *int64) error {
	return first(
		func() error { return d.dataName(at+"."+nameField, name) },
		func() error { return d.mode(at+".defaultMode", mode) },
		func() error { return d.items(at, items, map[string]bool{}) },
	)
}

// projected: no two files of all its sources may be at one path.
func (d *document) projected(at string, p *sandbox.ProjectedVolume) error {
	if err := d.mode(at+".defaultMode", p.DefaultMode); err != nil {
		return err
	}
	paths := map[string]bool{}
	for i, s := range p.Sources {
		at := fmt.Sprintf("%s.sources[%d]", at, i)
		if count(s.ConfigMap != nil, s.Secret != nil, s.DownwardAPI != nil) != 1 {
			return d.bad(at, "", WantOneRef)
		}
		if err := d.projection(at, s, paths); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) projection(at string, s sandbox.Projection, paths map[string]bool) error {
	if s.DownwardAPI != nil {
		return d.downward(at+".downwardAPI", s.DownwardAPI.Items, paths)
	}
	at, data := at+".configMap", s.ConfigMap
	if data == nil {
		at, data = strings.TrimSuffix(at, "configMap")+"secret", s.Secret
	}
	if err := d.dataName(at+".name", data.Name); err != nil {
		return err
	}
	return d.items(at, data.Items, paths)
}

func (d *document) items(at string, items []sandbox.KeyToPath, paths map[string]bool) error {
	for i, item := range items {
		at := fmt.Sprintf("%s.items[%d]", at, i)
		if item.Key == "" {
			return d.bad(at+".key", "", WantRequired)
		}
		if err := d.mode(at+".mode", item.Mode); err != nil {
			return err
		}
		if err := d.file(at+".path", item.Path, paths); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) downward(at string, items []sandbox.DownwardAPIFile, paths map[string]bool) error {
	for i, item := range items {
		at := fmt.Sprintf("%s.items[%d]", at, i)
		if (item.FieldRef == nil) == (item.ResourceFieldRef == nil) {
			return d.bad(at, item.Path, WantOneRef)
		}
		err := first(
			func() error { return d.mode(at+".mode", item.Mode) },
			func() error { return d.file(at+".path", item.Path, paths) },
		)
		switch {
		case err != nil:
		case item.FieldRef != nil:
			err = d.fieldRef(at+".fieldRef", item.FieldRef, fileFields)
		default:
			err = d.resourceRef(at+".resourceFieldRef", item.ResourceFieldRef, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file checks a path that a volume's file shall have in it.
func (d *document) file(at, p string, taken map[string]bool) error {
	if p == "" {
		return d.bad(at, "", WantRequired)
	}
	if err := d.relative(at, p); err != nil {
		return err
	}
	if strings.HasPrefix(p, "..") { // ..data is the volume's own
		return d.bad(at, p, WantRelative)
	}
	if taken[path.Clean(p)] {
		return d.bad(at, p, WantUnique)
	}
	taken[path.Clean(p)] = true
	return nil
}

// mode is a file's permission bits: 0 to 0777.
func (d *document) mode(at string, mode *int64) error { return d.bounded(at, mode, 0, 0o777) }

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
		err := first(
			func() error { return d.mountPath(at+".mountPath", m.MountPath, paths) },
			func() error { return d.subPath(at, m) },
			func() error { return d.mountOptions(at, m) },
		)
		if err != nil {
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

func (d *document) subPath(at string, m sandbox.VolumeMount) error {
	if m.SubPath != "" && m.SubPathExpr != "" {
		return d.bad(at+".subPathExpr", m.SubPathExpr, WantAlone, "want", "subPath")
	}
	if err := d.relative(at+".subPath", m.SubPath); err != nil {
		return err
	}
	return d.relative(at+".subPathExpr", m.SubPathExpr)
}

func (d *document) mountOptions(at string, m sandbox.VolumeMount) error {
	if err := d.choice(at+".recursiveReadOnly", m.RecursiveReadOnly, "Disabled", "IfPossible", "Enabled"); err != nil {
		return err
	}
	if m.RecursiveReadOnly != "" && m.RecursiveReadOnly != "Disabled" && !m.ReadOnly {
		return d.bad(at+".readOnly", "false", WantChoice, "want", "true")
	}
	switch m.MountPropagation {
	case "HostToContainer", "Bidirectional":
		return d.refuse(at+".mountPropagation", m.MountPropagation, WhyMounts)
	}
	return d.choice(at+".mountPropagation", m.MountPropagation, "None")
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

// relative accepts a path below something, or nothing.
func (d *document) relative(at, p string) error {
	if path.IsAbs(p) || len(p) > 1024 || strings.ContainsAny(p, "\x00\n") || slices.Contains(strings.Split(p, "/"), "..") {
		return d.bad(at, p, WantRelative)
	}
	return nil
}
