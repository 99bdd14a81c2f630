package manifest

import (
	"bytes"
	"encoding/json"
	"io"

	yaml "go.yaml.in/yaml/v4"

	"podlab/sandbox"
)

// list is Kubernetes' List of objects.
type list[T any] struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Items      []T    `json:"items"`
}

// WriteObjects prints objects as kubectl get -o yaml and -o json do: a single one as itself, else a List. format is "yaml" or "json".
func WriteObjects[T any](out io.Writer, format string, items []T, single bool) error {
	var object any = list[T]{APIVersion: sandbox.APIVersionPod, Kind: "List", Items: append([]T{}, items...)}
	if single {
		object = items[0]
	}
	if format == "yaml" {
		text, err := YAML(object)
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(object)
}

// YAML writes an object, or a list of them, as kubectl get -o yaml does: block style, fields in the order of the type. What Decode
// takes as text stays text: "yes" and "1" are written in quotes.
func YAML(object any) ([]byte, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil { // JSON is YAML already, in another style
		return nil, err
	}
	plain(&doc)
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(&doc); err != nil {
		return nil, err
	}
	return b.Bytes(), encoder.Close()
}

// plain takes off the styles that came from JSON. The encoder puts quotes back where YAML 1.2 needs them for a string; the booleans
// of YAML 1.1, which Kubernetes and Decode read, keep theirs.
func plain(n *yaml.Node) {
	style := n.Style
	n.Style = 0
	_, word := boolean(n)
	empty := n.Kind != yaml.ScalarNode && len(n.Content) == 0
	if empty || word {
		n.Style = style
	}
	for _, child := range n.Content {
		plain(child)
	}
}
