package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"podlab/sandbox"
)

// dataRef understands configmaps, configmap/NAME, secrets and secret/NAME.
func dataRef(word string) (ref sandbox.Ref, ok bool) {
	kind, name, one := strings.Cut(strings.ToLower(word), "/")
	kinds := map[string]string{"configmaps": sandbox.ManifestConfigMap, "secrets": sandbox.ManifestSecret}
	if one {
		kinds = map[string]string{"configmap": sandbox.ManifestConfigMap, "cm": sandbox.ManifestConfigMap, "secret": sandbox.ManifestSecret}
	}
	ref = sandbox.Ref{Kind: kinds[kind], Name: name}
	return ref, ref.Kind != "" && one == (name != "")
}

// getData prints ConfigMaps or Secrets: their names, or all of them.
func getData(e *env, agent sandbox.Agent, ref sandbox.Ref, format string) error {
	objects, err := agent.Get(e.ctx, ref)
	if err != nil {
		return err
	}
	items := make([]map[string]any, 0, len(objects))
	for _, object := range objects {
		var item map[string]any
		if err := json.Unmarshal(object, &item); err != nil {
			return err
		}
		items = append(items, item)
	}
	if format == "yaml" || format == "json" {
		if ref.Name != "" && len(items) == 1 {
			return encode(e.Out, format, items[0])
		}
		return encode(e.Out, format, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	}
	for _, item := range items {
		meta, _ := item["metadata"].(map[string]any) // an object without it has no name to print
		fmt.Fprintf(e.Out, "%s/%v\n", strings.ToLower(ref.Kind), meta["name"])
	}
	return nil
}
