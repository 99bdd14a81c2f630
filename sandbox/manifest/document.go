package manifest

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podlab/sandbox"
)

// document reads one YAML document against two types side by side: the lean one, which says what is supported, and Kubernetes'
// own, which says what is known. It remembers where each field stood, so that later checks can name the line.
type document struct {
	at   map[string]*yaml.Node // by path: spec.containers[0].name
	size *size
}

// size is how much all documents of a manifest hold so far, aliases expanded: a list of thousands of aliases of one long string is
// short to write.
type size struct {
	nodes int
	text  int // bytes of keys and values
}

// add counts one node and reports whether it still fits.
func (s *size) add(node *yaml.Node) bool {
	s.nodes++
	s.text += len(node.Value)
	return s.nodes <= maxNodes && s.text <= sandbox.MaxManifest
}

var (
	quantity    = reflect.TypeFor[resource.Quantity]()
	intOrString = reflect.TypeFor[intstr.IntOrString]()
)

// kind reads apiVersion and kind before anything else, because they say what the rest must be.
func (d *document) kind(root *yaml.Node) (string, error) {
	if root.Kind != yaml.MappingNode {
		return "", badValue(root, "", excerpt(root), WantMap)
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if key := root.Content[i].Value; key == "apiVersion" || key == "kind" {
			d.at[key] = resolve(root.Content[i+1])
		}
	}
	d.at[""] = root
	version, kind := d.value("apiVersion"), d.value("kind")
	for _, field := range []string{"apiVersion", "kind"} {
		if d.value(field) == "" {
			return "", d.bad(field, "", WantRequired)
		}
	}
	wanted, ok := versions[kind]
	if !ok {
		return "", d.bad("kind", kind, WantChoice, "want", "Pod, Container, ConfigMap, Secret")
	}
	if version != wanted {
		return "", d.bad("apiVersion", version, WantChoice, "want", wanted)
	}
	return kind, nil
}

var versions = map[string]string{
	sandbox.ManifestPod:       sandbox.APIVersionPod,
	sandbox.ManifestContainer: sandbox.APIVersionContainer,
	sandbox.ManifestConfigMap: sandbox.APIVersionPod,
	sandbox.ManifestSecret:    sandbox.APIVersionPod,
}

func (d *document) value(path string) string {
	if node := d.at[path]; node != nil {
		return node.Value
	}
	return ""
}

// read checks the document against the types of its kind and fills into.
func (d *document) read(root *yaml.Node, kind string, into any) error {
	plain, err := d.walk(root, "", reflect.TypeOf(into).Elem(), kubernetes[kind], 0)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(plain)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// walk returns what node holds as plain JSON values of type lean. known is Kubernetes' type for the same place, nil if it has none.
func (d *document) walk(node *yaml.Node, path string, lean, known reflect.Type, depth int) (any, error) {
	node = resolve(node)
	d.at[path] = node
	if !d.size.add(node) || depth > maxDepth || node.Kind == yaml.AliasNode {
		return nil, badValue(node, path, "", WantSmaller)
	}
	if isNull(node) {
		return nil, nil
	}
	lean, known = bare(lean), bare(known)
	if known == quantity {
		return d.quantity(node, path)
	}
	if known == intOrString && node.Kind == yaml.ScalarNode && node.Tag == "!!int" {
		return scalar(node, path, reflect.Int)
	}
	switch lean.Kind() {
	case reflect.Struct:
		return d.object(node, path, lean, known, depth)
	case reflect.Slice:
		return d.list(node, path, lean, known, depth)
	case reflect.Map:
		return d.table(node, path, lean, known, depth)
	default:
		return scalar(node, path, lean.Kind())
	}
}

func (d *document) object(node *yaml.Node, path string, lean, known reflect.Type, depth int) (any, error) {
	supported, other := fields(lean), fields(known)
	return d.pairs(node, path, func(key *yaml.Node, value *yaml.Node, at string) (any, error) {
		field, ok := supported[key.Value]
		if _, isKnown := other[key.Value]; !ok && isKnown {
			return nil, positioned(sandbox.CodeUnsupportedField, key, "field", cut(at, maxField), "detail", why(known, key.Value))
		}
		if !ok {
			return nil, positioned(sandbox.CodeUnknownField, key, "field", cut(at, maxField), "near", nearest(key.Value, supported))
		}
		return d.walk(value, at, field, other[key.Value], depth+1)
	})
}

func (d *document) table(node *yaml.Node, path string, lean, known reflect.Type, depth int) (any, error) {
	return d.pairs(node, path, func(_, value *yaml.Node, at string) (any, error) {
		return d.walk(value, at, lean.Elem(), element(known), depth+1)
	})
}

// pairs reads a mapping. Kubernetes calls a key that stands twice an error, and so do we.
func (d *document) pairs(node *yaml.Node, path string, read func(key, value *yaml.Node, at string) (any, error)) (any, error) {
	if node.Kind != yaml.MappingNode {
		return nil, badValue(node, path, excerpt(node), WantMap)
	}
	out := make(map[string]any, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := resolve(node.Content[i])
		if key.Kind != yaml.ScalarNode {
			return nil, badValue(key, path, excerpt(key), WantString)
		}
		if !d.size.add(key) {
			return nil, badValue(key, path, "", WantSmaller)
		}
		at := join(path, key.Value)
		if _, twice := out[key.Value]; twice {
			return nil, badValue(key, at, excerpt(key), WantUnique)
		}
		value, err := read(key, node.Content[i+1], at)
		if err != nil {
			return nil, err
		}
		out[key.Value] = value
	}
	return out, nil
}

func (d *document) list(node *yaml.Node, path string, lean, known reflect.Type, depth int) (any, error) {
	if node.Kind != yaml.SequenceNode {
		return nil, badValue(node, path, excerpt(node), WantList)
	}
	out := make([]any, 0, len(node.Content))
	for i, item := range node.Content {
		at := path + "[" + strconv.Itoa(i) + "]"
		if isNull(resolve(item)) {
			return nil, badValue(item, at, "", WantRequired)
		}
		value, err := d.walk(item, at, lean.Elem(), element(known), depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

// quantity takes numbers as well as strings: cpu: 1 and cpu: "1" are the same to Kubernetes.
func (d *document) quantity(node *yaml.Node, path string) (any, error) {
	if node.Kind == yaml.ScalarNode {
		if _, err := sandbox.ParseQuantity(node.Value); err == nil {
			return node.Value, nil
		}
	}
	return nil, badValue(node, path, excerpt(node), WantQuantity)
}

func scalar(node *yaml.Node, path string, kind reflect.Kind) (any, error) {
	switch kind {
	case reflect.String:
		if node.Kind == yaml.ScalarNode && isString(node) {
			return node.Value, nil
		}
		return nil, badValue(node, path, excerpt(node), WantString)
	case reflect.Bool:
		if yes, ok := boolean(node); ok {
			return yes, nil
		}
		return nil, badValue(node, path, excerpt(node), WantBoolean)
	default:
		var n int64
		if node.Kind == yaml.ScalarNode && node.Tag == "!!int" && node.Decode(&n) == nil {
			return n, nil
		}
		return nil, badValue(node, path, excerpt(node), WantInteger)
	}
}

// Kubernetes reads YAML 1.1, in which these unquoted words are booleans.
var booleans = map[string]bool{"true": true, "yes": true, "on": true, "false": false, "no": false, "off": false}

func boolean(node *yaml.Node) (value, ok bool) {
	if node.Kind != yaml.ScalarNode || node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return false, false
	}
	word, lower := node.Value, strings.ToLower(node.Value)
	value, ok = booleans[lower]
	title := ok && word == strings.ToUpper(lower[:1])+lower[1:]
	return value, ok && (word == lower || title || word == strings.ToUpper(word))
}

// isString tells text from numbers and booleans; a date is text, as in Kubernetes.
func isString(node *yaml.Node) bool {
	if _, isBool := boolean(node); isBool {
		return false
	}
	return node.Tag == "!!str" || node.Tag == "!!timestamp"
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		return node.Alias
	}
	return node
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// excerpt is what stood there, short enough for a message.
func excerpt(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "{…}"
	case yaml.SequenceNode:
		return "[…]"
	default:
		return cut(node.Value, maxExcerpt)
	}
}

// Characters that an error says of what stood in a document, which may be a line of any length.
const (
	maxExcerpt = 80
	maxField   = 400 // the longest key that Kubernetes takes, and the path to it
)

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

// bad makes a bad_value for a path; a path that does not stand in the document points at the nearest one above that does.
func (d *document) bad(path, value, detail string, kv ...string) *sandbox.Error {
	return badValue(d.nearest(path), path, cut(value, maxExcerpt), detail, kv...)
}

func (d *document) nearest(path string) *yaml.Node {
	for {
		if node := d.at[path]; node != nil {
			return node
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

func badValue(node *yaml.Node, path, value, detail string, kv ...string) *sandbox.Error {
	return positioned(sandbox.CodeBadValue, node, append([]string{"field", cut(path, maxField), "value", value, "detail", detail}, kv...)...)
}

func positioned(code sandbox.Code, node *yaml.Node, kv ...string) *sandbox.Error {
	return sandbox.Errorf(code, append([]string{"line", strconv.Itoa(max(node.Line, 1)), "column", strconv.Itoa(max(node.Column, 1))}, kv...)...)
}
