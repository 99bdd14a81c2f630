package expr

import (
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"podlab/sandbox"
)

// maxMoments is how many moments expressions look at.
const maxMoments = 1000

// Moments are what happened so far, oldest first, as expressions see it.
type Moments []ref.Val

// Add takes moments, in order. The oldest beyond maxMoments are forgotten.
func (m *Moments) Add(moments []sandbox.Moment) {
	structs := vocabulary().structs
	for i := range moments {
		moment := moments[i]
		*m = append(*m, value(structs, &moment))
	}
	if over := len(*m) - maxMoments; over > 0 {
		*m = slices.Delete(*m, 0, over)
	}
}

// Scope is what expressions are evaluated over: one snapshot, the step's moments so far, and what was kept. Lists are made of the
// snapshot when an expression first asks for them, and then serve all expressions of the same scope. It is for one goroutine.
type Scope struct {
	snapshot *sandbox.Snapshot
	moments  Moments
	kept     map[string]string
	structs  *structs
	made     map[string]any
	steps    int // rounds of the evaluation that is going on
}

// NewScope makes a scope. kept is read when an expression asks for it: what is added before that is seen.
func NewScope(snapshot *sandbox.Snapshot, moments Moments, kept map[string]string) *Scope {
	return &Scope{snapshot: snapshot, moments: moments, kept: kept, structs: vocabulary().structs, made: make(map[string]any, len(variables))}
}

// eval evaluates a program within maxSteps.
func (s *Scope) eval(p cel.Program) (ref.Val, error) {
	s.steps = 0
	out, _, err := p.Eval(s)
	return out, err
}

// interrupted is the name that CEL asks for in every round of a loop (interpreter.InterruptableEval).
const interrupted = "#interrupted"

// ResolveName implements interpreter.Activation.
func (s *Scope) ResolveName(name string) (any, bool) {
	if name == interrupted {
		s.steps++
		return s.steps > maxSteps, true
	}
	if v, ok := s.made[name]; ok {
		return v, true
	}
	v := s.make(name)
	if v == nil {
		return nil, false
	}
	s.made[name] = v
	return v, true
}

// Parent implements interpreter.Activation.
func (s *Scope) Parent() interpreter.Activation { return nil }

func (s *Scope) make(name string) any {
	switch name {
	case "pods":
		return list(s.structs, podsOf(s.snapshot))
	case "containers":
		return list(s.structs, s.snapshot.Containers)
	case "processes":
		return list(s.structs, s.snapshot.Processes)
	case "networks":
		return list(s.structs, s.snapshot.Networks)
	case "sockets":
		return list(s.structs, sockets(s.snapshot))
	case "volumes":
		return list(s.structs, s.snapshot.Volumes)
	case "ipc":
		return list(s.structs, s.snapshot.IPC)
	case "moments":
		return types.NewRefValList(s.structs, s.moments)
	case "node":
		return value(s.structs, &s.snapshot.Node)
	case "kept":
		return types.NewStringStringMap(s.structs, s.kept)
	}
	return nil
}

func sockets(s *sandbox.Snapshot) []sandbox.Socket {
	var all []sandbox.Socket
	for i := range s.Networks {
		all = append(all, s.Networks[i].Sockets...)
	}
	return all
}

func podsOf(s *sandbox.Snapshot) []Pod {
	all := make([]Pod, len(s.Pods))
	for i := range s.Pods {
		all[i] = podOf(s, &s.Pods[i])
	}
	return all
}

func podOf(s *sandbox.Snapshot, pod *sandbox.Pod) Pod {
	seen := Pod{
		Name: pod.Metadata.Name, UID: pod.Metadata.UID, Labels: pod.Metadata.Labels,
		IP: pod.Status.PodIP, Phase: pod.Status.Phase, Reason: pod.Status.Reason, Ready: IsReady(pod),
		RestartPolicy: pod.Spec.RestartPolicy,
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		switch {
		case c.Pod != seen.Name || c.Kind == sandbox.KindPlain:
		case c.Kind == sandbox.KindInfra:
			seen.Infra = c
		default:
			seen.Containers = append(seen.Containers, *c)
		}
	}
	for _, v := range s.Volumes {
		if v.Pod == seen.Name {
			seen.Volumes = append(seen.Volumes, v)
		}
	}
	if i := slices.IndexFunc(s.Networks, func(n sandbox.Network) bool { return n.Owner == seen.Name }); i >= 0 {
		seen.Net = &s.Networks[i]
	}
	return seen
}

// IsReady tells what the pod's own condition tells; without one, whether all its containers are ready.
func IsReady(pod *sandbox.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	statuses := pod.Status.ContainerStatuses
	return len(statuses) > 0 && !slices.ContainsFunc(statuses, func(c sandbox.ContainerStatus) bool { return !c.Ready })
}
