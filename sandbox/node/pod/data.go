package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"podlab/sandbox"
)

// dataKinds are the words for ConfigMaps and Secrets, as kubectl knows them.
var dataKinds = map[string]string{
	"configmap": sandbox.ManifestConfigMap, "configmaps": sandbox.ManifestConfigMap, "cm": sandbox.ManifestConfigMap,
	"secret": sandbox.ManifestSecret, "secrets": sandbox.ManifestSecret,
}

// dataKind tells from its first word that a command is about ConfigMaps or Secrets: "configmap NAME" or "configmap/NAME".
func dataKind(words []string) (kind string, names []string) {
	if len(words) == 0 {
		return "", nil
	}
	word, name, one := strings.Cut(words[0], "/")
	kind = dataKinds[word]
	if kind == "" || !one {
		return kind, words[1:]
	}
	return kind, append([]string{name}, words[1:]...)
}

// heldData is what a table shows of a ConfigMap or Secret.
type heldData struct {
	Metadata   sandbox.ObjectMeta `json:"metadata"`
	Data       map[string]string  `json:"data"`
	StringData map[string]string  `json:"stringData"`
	BinaryData map[string]string  `json:"binaryData"`
	Type       string             `json:"type"`
}

// getData prints ConfigMaps or Secrets.
func (p *program) getData(ctx context.Context, kind string, names []string, how string) error {
	wanted := names
	if len(wanted) == 0 {
		wanted = []string{""}
	}
	var objects []json.RawMessage
	for _, name := range wanted {
		found, err := p.agent.Get(ctx, sandbox.Ref{Kind: kind, Name: name})
		if err != nil {
			return err
		}
		for _, object := range found {
			objects = append(objects, object)
		}
	}
	if how == "yaml" || how == "json" {
		return writeObjects(p, how, objects, len(names) == 1)
	}
	head := []string{"NAME", "DATA", "AGE"}
	if kind == sandbox.ManifestSecret {
		head = []string{"NAME", "TYPE", "DATA", "AGE"}
	}
	rows := table{head}
	for _, object := range objects {
		var held heldData
		if err := json.Unmarshal(object, &held); err != nil {
			return err
		}
		if how == "name" {
			fmt.Fprintln(p.out, strings.ToLower(kind)+"/"+held.Metadata.Name)
			continue
		}
		keys := len(held.Data) + len(held.StringData) + len(held.BinaryData)
		row := []string{held.Metadata.Name, held.Type, strconv.Itoa(keys), age(held.Metadata.CreationTimestamp, time.Now())}
		if kind == sandbox.ManifestConfigMap {
			row = append(row[:1], row[2:]...)
		}
		rows = append(rows, row)
	}
	if how == "name" {
		return nil
	}
	return rows.write(p.out)
}
