package labs

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"podlab/sandbox"
	"podlab/sandbox/manifest"
)

// Apart runs the containers of a pod as plain containers beside it: the same names, images, commands and volumes, without the pod. One
// that is there already by its name stays as it is. Errors: not_found (no such pod), and those of Apply.
func (s *Sessions) Apart(ctx context.Context, id, lab, pod string) ([]sandbox.Applied, error) {
	access, err := s.Agent(id, lab)
	if err != nil {
		return nil, err
	}
	found, err := access.Get(ctx, sandbox.Ref{Kind: sandbox.ManifestPod, Name: pod})
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, sandbox.Errorf(sandbox.CodeNotFound, "kind", "pod", "name", pod)
	}
	now, err := access.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	text, err := apart(found[0], now.Containers)
	if err != nil || len(text) == 0 {
		return []sandbox.Applied{}, err
	}
	objects, err := manifest.Decode(text)
	if err != nil {
		return nil, err
	}
	return access.Apply(ctx, manifest.Bytes(objects))
}

// apart writes the containers of a pod as manifests of plain ones, but for those that there are.
func apart(pod []byte, there []sandbox.Container) ([]byte, error) {
	var p sandbox.Pod
	if err := json.Unmarshal(pod, &p); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for _, c := range p.Spec.Containers {
		if slices.ContainsFunc(there, func(t sandbox.Container) bool { return t.ID == c.Name }) {
			continue
		}
		out.WriteString("---\n")
		if err := encoder.Encode(plainOf(c, p.Spec)); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// plainOf is one container of a pod on its own, with the volumes that it mounts. What the kubelet does for pods alone is left out.
func plainOf(c sandbox.ContainerSpec, pod sandbox.PodSpec) sandbox.PlainContainer {
	c.LivenessProbe, c.ReadinessProbe, c.StartupProbe, c.Lifecycle = nil, nil, nil, nil
	c.TerminationMessagePath, c.TerminationMessagePolicy = "", ""
	plain := sandbox.PlainContainer{APIVersion: sandbox.APIVersionContainer, Kind: sandbox.ManifestContainer, Metadata: sandbox.ObjectMeta{Name: c.Name}}
	c.Name = "" // it is the object's
	plain.Spec.ContainerSpec, plain.Spec.RestartPolicy = c, pod.RestartPolicy
	for _, v := range pod.Volumes {
		if slices.ContainsFunc(c.VolumeMounts, func(m sandbox.VolumeMount) bool { return m.Name == v.Name }) {
			plain.Spec.Volumes = append(plain.Spec.Volumes, v)
		}
	}
	return plain
}
