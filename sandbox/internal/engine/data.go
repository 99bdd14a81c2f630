package engine

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"podlab/sandbox"
)

// Bounds of what ConfigMaps and Secrets may take of the node: they are kept in memory and in the state directory, a tmpfs.
const (
	maxDataObjects = 256
	maxDataBytes   = 3 << 20 // of all together, as JSON: an answer of the agent holds at most 4 MiB
)

// data is one ConfigMap or Secret.
type data struct {
	ref       sandbox.Ref
	json      []byte            // as it is given out
	content   map[string]string // as applied, to tell whether it changed
	text      map[string]string // what variables can be made from
	files     map[string][]byte // what files can be made from
	immutable bool
}

// dataHead is what ConfigMaps and Secrets have in common.
type dataHead struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Metadata   sandbox.ObjectMeta `json:"metadata"`
}

// decodeData reads a ConfigMap or Secret strictly.
func decodeData(kind string, raw []byte) (*data, *dataHead, error) {
	if kind == sandbox.ManifestConfigMap {
		var c sandbox.ConfigMap
		if err := strict(raw, &c); err != nil {
			return nil, nil, err
		}
		d, err := newData(c.Immutable, c.Data, c.BinaryData)
		return d, &dataHead{c.APIVersion, c.Kind, c.Metadata}, err
	}
	var s sandbox.Secret
	if err := strict(raw, &s); err != nil {
		return nil, nil, err
	}
	d, err := newData(s.Immutable, s.StringData, s.Data)
	if err == nil {
		for key, value := range d.files {
			d.text[key] = string(value)
		}
	}
	return d, &dataHead{s.APIVersion, s.Kind, s.Metadata}, err
}

// newData checks keys and takes values apart; those of plain win.
func newData(immutable *bool, plain, encoded map[string]string) (*data, error) {
	d := &data{text: map[string]string{}, files: map[string][]byte{}, content: maps.Clone(plain), immutable: isTrue(immutable)}
	if d.content == nil {
		d.content = map[string]string{}
	}
	for key, value := range encoded {
		bytes, err := base64.StdEncoding.DecodeString(value)
		if err != nil || !isDataKey(key) {
			return nil, badValue("data."+key, "", "a key and base64")
		}
		d.files[key] = bytes
		d.content["base64:"+key] = value
	}
	for key, value := range plain {
		if !isDataKey(key) {
			return nil, badValue("data."+key, "", "no key of a ConfigMap or Secret")
		}
		d.text[key], d.files[key] = value, []byte(value)
	}
	return d, nil
}

// isDataKey reports whether s can be a key, and so the name of a file: RFC 1123 subdomain's letters and _, and no .. at its beginning.
func isDataKey(s string) bool {
	if s == "" || len(s) > 253 || s == "." || strings.HasPrefix(s, "..") {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}

// isDataName reports whether s is an RFC 1123 subdomain.
func isDataName(s string) bool {
	return len(s) <= 253 && !slices.ContainsFunc(strings.Split(s, "."), func(part string) bool { return !isLabel(part) })
}

// applyData makes or changes a ConfigMap or Secret and tells the units, whose volumes follow it.
func (e *Engine) applyData(kind string, raw []byte) (sandbox.Applied, error) {
	d, head, err := decodeData(kind, raw)
	if err != nil {
		return sandbox.Applied{}, err
	}
	d.ref = sandbox.Ref{Kind: kind, Name: head.Metadata.Name}
	applied := sandbox.Applied{Ref: d.ref, Action: created}
	if !isDataName(head.Metadata.Name) {
		return applied, badValue("metadata.name", head.Metadata.Name, "not a name")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.data[d.ref]
	if applied.Action, err = e.compareData(old, d, head); err != nil || applied.Action == unchanged {
		return applied, err
	}
	if d.json, err = withMeta(raw, head.Metadata); err != nil {
		return applied, err
	}
	if err := e.roomForData(old, d); err != nil {
		return applied, err
	}
	if err := e.writeData(d); err != nil {
		return applied, err
	}
	e.data[d.ref] = d
	e.tellUnits()
	return applied, nil
}

// compareData says what applying d over old means, and fills in what the agent sets of d's metadata.
func (e *Engine) compareData(old, d *data, head *dataHead) (action string, err error) {
	meta := &head.Metadata
	if meta.Namespace == "" {
		meta.Namespace = "default"
	}
	meta.UID, meta.CreationTimestamp = newUID(), stamp(time.Now())
	if old == nil {
		return created, nil
	}
	_, was, err := decodeData(old.ref.Kind, old.json)
	if err != nil {
		return "", err
	}
	meta.UID, meta.CreationTimestamp = was.Metadata.UID, was.Metadata.CreationTimestamp
	same := maps.Equal(old.content, d.content)
	switch {
	case old.immutable && (!same || !d.immutable):
		return "", sandbox.Errorf(sandbox.CodeImmutable, "field", "data")
	case same && old.immutable == d.immutable && reflect.DeepEqual(was.Metadata, *meta):
		return unchanged, nil
	}
	return configured, nil
}

// withMeta puts metadata into an object's JSON.
func withMeta(raw []byte, meta sandbox.ObjectMeta) ([]byte, error) {
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	fields["metadata"] = meta
	return json.Marshal(fields)
}

// roomForData is called with the engine's lock held.
func (e *Engine) roomForData(old, d *data) error {
	count, size := 1, len(d.json)
	for _, other := range e.data {
		if other != old {
			count, size = count+1, size+len(other.json)
		}
	}
	if count > maxDataObjects || size > maxDataBytes {
		return sandbox.Errorf(sandbox.CodeOverCapacity, "resource", strings.ToLower(d.ref.Kind)+"s", "asked", strconv.Itoa(len(d.json)), "free",
			strconv.Itoa(max(0, maxDataBytes-size+len(d.json))))
	}
	return nil
}

// tellUnits lets every unit look again at what it takes from ConfigMaps and Secrets. The engine's lock is held.
func (e *Engine) tellUnits() {
	select {
	case <-e.closing:
		return
	default:
	}
	for _, u := range e.units {
		e.owners.Go(func() { u.post(u.dataChanged) })
	}
}

// dataChanged brings the unit's files up to date and tries again what could not be configured.
func (u *unit) dataChanged() {
	u.refreshVolumes()
	u.retryAt = time.Time{}
	for _, c := range u.all() {
		if c.run.State == waiting && c.run.Reason == reasonConfig {
			c.due = time.Time{}
		}
	}
}

// deleteData forgets a ConfigMap or Secret. Pods that run keep what they were given.
func (e *Engine) deleteData(ref sandbox.Ref) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.data[ref] == nil {
		return sandbox.Errorf(sandbox.CodeNotFound, "kind", ref.Kind, "name", ref.Name)
	}
	delete(e.data, ref)
	return os.RemoveAll(e.dataPath(ref))
}

// Get returns the JSON of an object, or of every object of its kind if it has no name, by name. Kinds: Pod, ConfigMap, Secret.
// Errors: not_found, bad_request.
func (e *Engine) Get(ref sandbox.Ref) (objects [][]byte, err error) {
	switch ref.Kind {
	case sandbox.ManifestPod:
		objects, err = e.getPods(ref.Name)
	case sandbox.ManifestConfigMap, sandbox.ManifestSecret:
		objects = e.getData(ref)
	default:
		return nil, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "kind "+ref.Kind)
	}
	if err == nil && len(objects) == 0 && ref.Name != "" {
		return nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", ref.Kind, "name", ref.Name)
	}
	return objects, err
}

func (e *Engine) getPods(name string) (objects [][]byte, err error) {
	for _, pod := range e.State().Pods {
		if name != "" && pod.Metadata.Name != name {
			continue
		}
		object, err := json.Marshal(pod)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func (e *Engine) getData(ref sandbox.Ref) (objects [][]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := []string{ref.Name}
	if ref.Name == "" {
		names = nil
		for other := range e.data {
			if other.Kind == ref.Kind {
				names = append(names, other.Name)
			}
		}
		slices.Sort(names)
	}
	for _, name := range names {
		if d := e.data[sandbox.Ref{Kind: ref.Kind, Name: name}]; d != nil {
			objects = append(objects, d.json)
		}
	}
	return objects
}

// dataOf returns a ConfigMap or Secret. The error has the API server's words.
func (e *Engine) dataOf(kind, name string) (*data, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.data[sandbox.Ref{Kind: kind, Name: name}]; d != nil {
		return d, nil
	}
	return nil, &missingData{kind: kind, name: name}
}

// A missingData is a ConfigMap or Secret that is not there.
type missingData struct{ kind, name string }

func (e *missingData) Error() string {
	return strings.ToLower(e.kind) + " " + strconv.Quote(e.name) + " not found"
}

func isMissing(err error) bool {
	_, ok := errors.AsType[*missingData](err)
	return ok
}

func (e *Engine) dataDir() string { return filepath.Join(e.cfg.State, "data") }

// dataPrefix begins the names of an object's directory. It is short, because a name may have 253 characters and a file 255.
var dataPrefix = map[string]string{sandbox.ManifestConfigMap: "c:", sandbox.ManifestSecret: "s:"}

func (e *Engine) dataPath(ref sandbox.Ref) string {
	return filepath.Join(e.dataDir(), dataPrefix[ref.Kind]+ref.Name)
}

const dataFile = "object.json"

func (e *Engine) writeData(d *data) error {
	dir := e.dataPath(d.ref)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return writeAtomically(filepath.Join(dir, dataFile), d.json)
}

// readData finds the ConfigMaps and Secrets of an earlier life of the agent. One that is torn is removed: its apply never returned.
func (e *Engine) readData() error {
	if err := os.MkdirAll(e.dataDir(), 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(e.dataDir())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		dir := filepath.Join(e.dataDir(), entry.Name())
		d, err := readOne(dir)
		if err != nil {
			e.cfg.Log.Warn("data not read", "dir", entry.Name(), "err", errors.Join(err, os.RemoveAll(dir)))
			continue
		}
		e.data[d.ref] = d
	}
	return nil
}

func readOne(dir string) (*data, error) {
	raw, err := os.ReadFile(filepath.Join(dir, dataFile))
	if err != nil {
		return nil, err
	}
	for kind, prefix := range dataPrefix {
		if name, ok := strings.CutPrefix(filepath.Base(dir), prefix); ok {
			d, _, err := decodeData(kind, raw)
			if err != nil {
				return nil, err
			}
			d.ref, d.json = sandbox.Ref{Kind: kind, Name: name}, raw
			return d, nil
		}
	}
	return nil, errors.New("of no known kind")
}

func isTrue(b *bool) bool { return b != nil && *b }
