package kubectl

import (
	"cmp"
	"fmt"

	"podlab/sandbox"
)

// volumes prints where each volume comes from, in kubectl's words.
func (p page) volumes(list []sandbox.VolumeSource) {
	if len(list) == 0 {
		p.say(0, "Volumes", "<none>")
		return
	}
	p.title(0, "Volumes")
	for _, v := range list {
		p.title(1, v.Name)
		p.volume(v)
	}
}

func (p page) volume(v sandbox.VolumeSource) {
	switch {
	case v.EmptyDir != nil:
		p.say(2, "Type", "EmptyDir (a temporary directory that shares a pod's lifetime)")
		p.say(2, "Medium", "%s", v.EmptyDir.Medium)
		p.say(2, "SizeLimit", "%s", cmp.Or(v.EmptyDir.SizeLimit, "<unset>"))
	case v.HostPath != nil:
		p.say(2, "Type", "HostPath (bare host directory volume)")
		p.say(2, "Path", "%s", v.HostPath.Path)
		p.say(2, "HostPathType", "%s", v.HostPath.Type)
	case v.ConfigMap != nil:
		p.say(2, "Type", "ConfigMap (a volume populated by a ConfigMap)")
		p.say(2, "Name", "%s", v.ConfigMap.Name)
		p.say(2, "Optional", "%v", isTrue(v.ConfigMap.Optional))
	case v.Secret != nil:
		p.say(2, "Type", "Secret (a volume populated by a Secret)")
		p.say(2, "SecretName", "%s", v.Secret.SecretName)
		p.say(2, "Optional", "%v", isTrue(v.Secret.Optional))
	case v.DownwardAPI != nil:
		p.say(2, "Type", "DownwardAPI (a volume populated by information about the pod)")
		p.downward(v.DownwardAPI.Items)
	case v.Projected != nil:
		p.say(2, "Type", "Projected (a volume that contains injected data from multiple sources)")
		for _, source := range v.Projected.Sources {
			p.projection(source)
		}
	}
}

func (p page) downward(items []sandbox.DownwardAPIFile) {
	p.title(2, "Items")
	for _, item := range items {
		from := ""
		switch {
		case item.FieldRef != nil:
			from = item.FieldRef.FieldPath
		case item.ResourceFieldRef != nil:
			from = item.ResourceFieldRef.Resource
		}
		fmt.Fprintf(p, "      %s -> %s\n", Clean(from), Clean(item.Path))
	}
}

func (p page) projection(source sandbox.Projection) {
	switch {
	case source.ConfigMap != nil:
		p.say(2, "ConfigMapName", "%s", source.ConfigMap.Name)
		p.say(2, "Optional", "%v", isTrue(source.ConfigMap.Optional))
	case source.Secret != nil:
		p.say(2, "SecretName", "%s", source.Secret.Name)
		p.say(2, "Optional", "%v", isTrue(source.Secret.Optional))
	case source.DownwardAPI != nil:
		p.say(2, "DownwardAPI", "true")
		p.downward(source.DownwardAPI.Items)
	}
}
