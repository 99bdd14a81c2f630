package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"podlab/sandbox"
)

// defaultMode is the mode of files of data volumes, unless the manifest says another.
const defaultMode = 0o644

// payload is what a data volume shall hold, by path in it.
type payload map[string]projected

type projected struct {
	text []byte
	mode fs.FileMode
}

func (p payload) add(name, text string, mode *int64, usual fs.FileMode) {
	p[path.Clean(name)] = projected{[]byte(text), modeOf(mode, usual)}
}

func modeOf(mode *int64, usual fs.FileMode) fs.FileMode {
	if mode != nil {
		return fs.FileMode(*mode) & fs.ModePerm
	}
	return usual
}

// payload collects a volume's files. Errors are in the words of pkg/volume.
func (u *unit) payload(v *sandbox.VolumeSource) (payload, error) {
	p := payload{}
	switch {
	case v.ConfigMap != nil:
		c := v.ConfigMap
		return p, u.keys(p, sandbox.ManifestConfigMap, c.Name, c.Items, isTrue(c.Optional), modeOf(c.DefaultMode, defaultMode))
	case v.Secret != nil:
		s := v.Secret
		return p, u.keys(p, sandbox.ManifestSecret, s.SecretName, s.Items, isTrue(s.Optional), modeOf(s.DefaultMode, defaultMode))
	case v.DownwardAPI != nil:
		return p, u.downward(p, v.DownwardAPI.Items, modeOf(v.DownwardAPI.DefaultMode, defaultMode))
	}
	usual := modeOf(v.Projected.DefaultMode, defaultMode)
	var errs []error
	for _, source := range v.Projected.Sources {
		switch {
		case source.ConfigMap != nil:
			s := source.ConfigMap
			errs = append(errs, u.keys(p, sandbox.ManifestConfigMap, s.Name, s.Items, isTrue(s.Optional), usual))
		case source.Secret != nil:
			s := source.Secret
			errs = append(errs, u.keys(p, sandbox.ManifestSecret, s.Name, s.Items, isTrue(s.Optional), usual))
		default:
			errs = append(errs, u.downward(p, source.DownwardAPI.Items, usual))
		}
	}
	return p, errors.Join(errs...)
}

// keys adds the keys of a ConfigMap or Secret: all, or those that items name.
func (u *unit) keys(p payload, kind, name string, items []sandbox.KeyToPath, optional bool, usual fs.FileMode) error {
	d, err := u.engine.dataOf(kind, name)
	if err != nil && optional && isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(items) == 0 {
		for key, text := range d.files {
			p.add(key, string(text), nil, usual)
		}
		return nil
	}
	for _, item := range items {
		text, ok := d.files[item.Key]
		switch {
		case ok:
			p.add(item.Path, string(text), item.Mode, usual)
		case !optional && kind == sandbox.ManifestConfigMap:
			return fmt.Errorf("configmap references non-existent config key: %s", item.Key)
		case !optional:
			return fmt.Errorf("references non-existent secret key: %s", item.Key)
		}
	}
	return nil
}

func (u *unit) downward(p payload, items []sandbox.DownwardAPIFile, usual fs.FileMode) error {
	for _, item := range items {
		var text string
		var err error
		if item.FieldRef != nil {
			text, err = u.field(item.FieldRef.FieldPath)
		} else {
			text, err = u.resource(item.ResourceFieldRef, nil)
		}
		if err != nil {
			return err
		}
		p.add(item.Path, text, item.Mode, usual)
	}
	return nil
}
