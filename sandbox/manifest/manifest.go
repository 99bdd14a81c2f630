// Package manifest turns YAML into the objects that a node's agent understands: Kubernetes Pods, ConfigMaps and Secrets (apiVersion
// v1) and plain Containers (apiVersion podlab/v1). It is strict: what a learner wrote is either taken as written or refused with the line and
// the field. A field that Kubernetes knows and Podlab does not support is told apart from one that nobody knows.
// Pods are written back as kubectl writes them: WriteObjects.
//
// Decode has no state and starts no goroutine. Its input is hostile: size, depth and what aliases expand to (nodes and text) are
// bounded.
package manifest

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"podlab/sandbox"
)

// Limits of one manifest, besides sandbox.MaxManifest.
const (
	maxDocuments = 64
	maxNodes     = 20_000 // YAML nodes of all documents, keys too, after aliases are expanded
	maxDepth     = 32
)

// Words of parameter "detail" of bad_value: what was wanted. The page has words for each under "error.bad_value.DETAIL".
const (
	WantString    = "string"
	WantInteger   = "integer"
	WantBoolean   = "boolean"
	WantList      = "list"
	WantMap       = "map"
	WantRequired  = "required"  // the field must be there
	WantName      = "name"      // a DNS-1123 label
	WantImage     = "image"     // [HOST[:PORT]/]NAME[:TAG][@DIGEST]
	WantUnique    = "unique"    // the value stands there twice
	WantQuantity  = "quantity"  // sandbox.ParseQuantity
	WantChoice    = "choice"    // one of parameter want
	WantRange     = "range"     // parameter want: MIN–MAX
	WantPath      = "path"      // an absolute path without ..
	WantVariable  = "variable"  // a name of an environment variable
	WantLabel     = "label"     // a Kubernetes label key or value
	WantOneSource = "source"    // a volume with exactly one source
	WantBelow     = "below"     // a request that is not above the limit in want
	WantJoin      = "join"      // "host" or container:NAME
	WantRelative  = "relative"  // a path without .. and without / at its beginning
	WantAddress   = "address"   // an IP address
	WantKey       = "key"       // a key of a ConfigMap or Secret
	WantBase64    = "base64"    // RFC 4648
	WantOneRef    = "oneref"    // exactly one of the sources that can stand there
	WantAlone     = "alone"     // the field cannot stand together with the one in want
	WantSmaller   = "smaller"   // the document is too large or too deep when its aliases are expanded
	WantOneObject = "oneobject" // at least one object
)

// Object is one manifest, checked. Exactly one of Pod, Container, ConfigMap and Secret is set.
type Object struct {
	sandbox.Ref
	Line      int    // where its document begins, from 1
	JSON      []byte // of the object: what Agent.Apply takes
	Pod       *sandbox.Pod
	Container *sandbox.PlainContainer
	ConfigMap *sandbox.ConfigMap
	Secret    *sandbox.Secret
}

// Decode reads one or more YAML (or JSON) documents. Errors are *sandbox.Error: too_large, bad_manifest, unknown_field,
// unsupported_field, bad_value, volume_not_found; all but the first carry line and column, counted from 1.
func Decode(data []byte) ([]Object, error) {
	if len(data) > sandbox.MaxManifest {
		return nil, sandbox.Errorf(sandbox.CodeTooLarge, "limit", strconv.Itoa(sandbox.MaxManifest))
	}
	roots, err := parse(data)
	if err != nil {
		return nil, err
	}
	objects := make([]Object, 0, len(roots))
	seen, whole := map[sandbox.Ref]bool{}, &size{}
	for _, root := range roots {
		object, doc, err := decode(root, whole)
		if err != nil {
			return nil, err
		}
		if seen[object.Ref] {
			return nil, doc.bad("metadata.name", object.Name, WantUnique)
		}
		seen[object.Ref] = true
		objects = append(objects, object)
	}
	return objects, nil
}

// Bytes returns the JSON of the objects in order: the argument of Agent.Apply.
func Bytes(objects []Object) [][]byte {
	out := make([][]byte, len(objects))
	for i, o := range objects {
		out[i] = o.JSON
	}
	return out
}

// parse returns the root of every document that is not empty.
func parse(data []byte) ([]*yaml.Node, error) {
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var roots []*yaml.Node
	for {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntaxError(err)
		}
		if len(doc.Content) == 1 && doc.Content[0].Tag != "!!null" {
			roots = append(roots, doc.Content[0])
		}
		if len(roots) > maxDocuments {
			return nil, badValue(&doc, "", strconv.Itoa(len(roots)), WantSmaller)
		}
	}
	if len(roots) == 0 {
		return nil, badValue(&yaml.Node{Line: 1, Column: 1}, "", "", WantOneObject)
	}
	return roots, nil
}

// syntaxError takes the position and the bare message out of the YAML library's error.
func syntaxError(err error) error {
	line, column, detail := 1, 1, err.Error()
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		line, column, detail = max(e.Mark.Line, 1), max(e.Mark.Column, 1), e.Message
		if e.Mark.Line == 0 && e.ContextMark.Line > 0 {
			line, column = e.ContextMark.Line, e.ContextMark.Column
		}
	}
	return sandbox.Errorf(sandbox.CodeBadManifest, "line", strconv.Itoa(line), "column", strconv.Itoa(column), "detail", cut(detail, maxExcerpt)).Because(err)
}

// decode makes one object of one document, and counts it into whole.
func decode(root *yaml.Node, whole *size) (Object, *document, error) {
	doc := &document{at: map[string]*yaml.Node{}, size: whole}
	object := Object{Line: root.Line}
	kind, err := doc.kind(root)
	if err != nil {
		return object, doc, err
	}
	object.Kind = kind
	into, finish := object.make(doc)
	if err := doc.read(root, kind, into); err != nil {
		return object, doc, err
	}
	if err := finish(); err != nil {
		return object, doc, err
	}
	object.Name = doc.value("metadata.name")
	object.JSON, err = json.Marshal(into)
	return object, doc, err
}

// make makes the empty object of its kind and says what checks it once it is read.
func (o *Object) make(d *document) (into any, finish func() error) {
	switch o.Kind {
	case sandbox.ManifestPod:
		o.Pod = &sandbox.Pod{}
		return o.Pod, func() error { return d.finishPod(o.Pod) }
	case sandbox.ManifestConfigMap:
		o.ConfigMap = &sandbox.ConfigMap{}
		return o.ConfigMap, func() error { return d.finishConfigMap(o.ConfigMap) }
	case sandbox.ManifestSecret:
		o.Secret = &sandbox.Secret{}
		return o.Secret, func() error { return d.finishSecret(o.Secret) }
	}
	o.Container = &sandbox.PlainContainer{}
	return o.Container, func() error { return d.finishContainer(o.Container) }
}
