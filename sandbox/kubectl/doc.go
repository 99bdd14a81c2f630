// Package kubectl holds what kubectl prints and does with streams, for the two programs that speak its words: pod on a node and podlab
// on the host. Tables and messages are kubectl's own (v1.34), in English as there; sentences to learners are the programs'.
//
// It asks a sandbox.Agent and knows nothing of sockets. What a node says of itself is taken for hostile: Clean takes out what a
// terminal would obey.
package kubectl

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"podlab/sandbox"
)

// DefaultContainerKey is the annotation that names the container which is meant when none is.
const DefaultContainerKey = "kubectl.kubernetes.io/default-container"

// ContainerNames lists a pod's containers as its manifest does.
func ContainerNames(pod sandbox.Pod) []string {
	names := make([]string, 0, len(pod.Spec.Containers))
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	for _, c := range pod.Spec.InitContainers {
		names = append(names, c.Name)
	}
	for _, c := range pod.Spec.EphemeralContainers {
		names = append(names, c.Name)
	}
	return names
}

// DefaultContainer is the container that is meant when none is named: the annotation's, or the first. guessed says that it was the
// first of several.
func DefaultContainer(pod sandbox.Pod) (name string, guessed bool) {
	names := ContainerNames(pod)
	if wanted := pod.Metadata.Annotations[DefaultContainerKey]; slices.Contains(names, wanted) {
		return wanted, false
	}
	if len(names) == 0 {
		return "", false
	}
	return names[0], len(pod.Spec.Containers) > 1
}

// Container finds a container of the manifest by its name.
func Container(pod sandbox.Pod, name string) (sandbox.ContainerSpec, bool) {
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers, specsOf(pod.Spec.EphemeralContainers)) {
		if c.Name == name {
			return c, true
		}
	}
	return sandbox.ContainerSpec{}, false
}

// Clean takes control characters out of a text of one line.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// Age is a span of time in kubectl's short form.
func Age(d time.Duration) string { return duration.HumanDuration(max(d, 0)) }

func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}
