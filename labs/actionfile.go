package labs

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"

	"podlab/sandbox"
	"podlab/sandbox/manifest"
)

func (r *labReader) actions(p fieldPath, raw []actionYAML) []Action {
	var all []Action
	for i := range raw {
		all = append(all, r.action(p.to(i), &raw[i]))
	}
	return all
}

func (r *labReader) action(p fieldPath, raw *actionYAML) Action {
	a := Action{Run: raw.Run, line: r.line(p)}
	set := 0
	if raw.Run != "" {
		set++
	}
	if raw.Apply != "" {
		set++
		a.Apply = raw.Apply
		r.applied(p.to("apply"), raw.Apply)
	}
	if raw.Container != nil {
		set++
		a.Container = r.plain(p.to("container"), raw.Container)
	}
	if raw.Delete != "" {
		set++
		a.Delete = r.deleted(p.to("delete"), raw.Delete)
	}
	if raw.Exec != nil {
		set++
		a.Exec = r.exec(p.to("exec"), raw.Exec)
	}
	if raw.Write != nil {
		set++
		a.Write = r.written(p.to("write"), raw.Write)
	}
	if raw.Wait != "" {
		set++
		a.Wait = r.condition(p.to("wait"), raw.Wait)
	}
	if set != 1 {
		r.at(p, "an action is exactly one of apply, container, delete, run, exec, write, wait")
	}
	return a
}

func (r *labReader) exec(p fieldPath, raw *execYAML) *Exec {
	if raw.Container == "" || len(raw.Argv) == 0 {
		r.at(p, "exec has container and argv")
	}
	if raw.Expect != "" || raw.Exit != 0 {
		r.at(p, "expect and exit are for checks")
	}
	return &Exec{Container: raw.Container, Argv: raw.Argv}
}

func (r *labReader) written(p fieldPath, raw *writeYAML) *Write {
	r.fileName(p.to("file"), raw.File)
	switch {
	case (raw.Text == nil) == (raw.From == ""):
		r.at(p, "write has from or text")
	case raw.Text != nil:
		return &Write{File: raw.File, Data: []byte(*raw.Text)}
	}
	return &Write{File: raw.File, Data: r.file(p.to("from"), raw.From)}
}

func (r *labReader) deleted(p fieldPath, ref string) string {
	kind, name, _ := strings.Cut(ref, "/")
	if (kind != "pod" && kind != "container") || name == "" {
		r.at(p, "must be pod/NAME or container/NAME")
	}
	return ref
}

// applied is a manifest that must be right: it is what the lab itself applies.
func (r *labReader) applied(p fieldPath, name string) {
	data := r.file(p, name)
	if data == nil {
		return
	}
	objects, err := manifest.Decode(data)
	if err != nil {
		r.at(p, "%s: %v", name, err)
	}
	r.images(objects)
}

// plain makes the JSON of a plain container out of its fields.
func (r *labReader) plain(p fieldPath, fields map[string]any) []byte {
	name := fields["name"]
	object := map[string]any{
		"apiVersion": sandbox.APIVersionContainer, "kind": sandbox.ManifestContainer,
		"metadata": map[string]any{"name": name}, "spec": fields,
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		r.at(p, "%v", err)
		return nil
	}
	objects, err := manifest.Decode(text)
	if err != nil {
		r.at(p, "%v", err)
		return nil
	}
	r.images(objects)
	return bytes.Join(manifest.Bytes(objects), nil)
}

func (r *labReader) file(p fieldPath, name string) []byte {
	data, ok := r.lab.Files[name]
	if !ok {
		r.at(p, "%q is not in the lab's folder", name)
		return nil
	}
	r.used[name] = true
	return data
}

func (r *labReader) fileName(p fieldPath, name string) {
	if !fileForm.MatchString(name) {
		r.at(p, "%q is no file name: letters, digits, dots and hyphens", name)
	}
}
