package golden

import (
	"encoding/json"

	"podlab/labs"
	"podlab/sandbox"
)

// evil is what a learner may call a thing: markup, a script, marks of templates and languages, and a word without end.
const evil = `<img src=x onerror=scripted()>"'><script>scripted()</script>${scripted()}{{scripted()}}javascript:scripted()&lt;` +
	"Z\u0335\u0321\u0322WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"

// chosen are the fields of a snapshot and of a moment that are not words of Podlab's own, and so may hold anything.
var chosen = map[string]bool{
	"name": true, "id": true, "container": true, "pod": true, "owner": true, "args": true, "path": true, "source": true, "volume": true, "hostname": true,
	"image": true, "comm": true, "dev": true, "mac": true, "local": true, "remote": true, "message": true, "digest": true, "createdBy": true, "kernel": true,
	"cgroup": true, "target": true,
}

// hostile is the volumes frame with evil in every name. The same name stays the same everywhere, so that what belongs together does.
func hostile() labs.Frame {
	f := Volumes()
	f.Snapshot = reread(f.Snapshot)
	f.Moments = nil
	return f
}

func reread(s *sandbox.Snapshot) *sandbox.Snapshot {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		panic(err)
	}
	if data, err = json.Marshal(spoil("", tree)); err != nil {
		panic(err)
	}
	out := new(sandbox.Snapshot)
	if err := json.Unmarshal(data, out); err != nil {
		panic(err)
	}
	return out
}

// spoil adds evil to every string of a chosen field.
func spoil(field string, tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = spoil(key, value)
		}
	case []any:
		for i, value := range v {
			v[i] = spoil(field, value)
		}
	case string:
		if chosen[field] && v != "" {
			return v + evil
		}
	}
	return tree
}
