package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"podlab/sandbox"
	"podlab/sandbox/manifest"
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
	if format == "yaml" || format == "json" {
		return manifest.WriteObjects(e.Out, format, objects, ref.Name != "")
	}
	for _, object := range objects {
		var item struct {
			Metadata sandbox.ObjectMeta `json:"metadata"`
		}
		if err := json.Unmarshal(object, &item); err != nil {
			return err
		}
		fmt.Fprintf(e.Out, "%s/%s\n", strings.ToLower(ref.Kind), item.Metadata.Name)
	}
	return nil
}
