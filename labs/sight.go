package labs

import (
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"podlab/sandbox"
)

// sight is what expressions are evaluated over: one snapshot, the step's moments so far, and what was kept. Lists are made of the
// snapshot when an expression first asks for them, and then serve all expressions of the same sight.
type sight struct {
	snapshot *sandbox.Snapshot
	moments  []ref.Val
	kept     map[string]string
	facts    *facts
	made     map[string]any
	steps    int // rounds of the evaluation that is going on
}

func newSight(f *facts, snapshot *sandbox.Snapshot, moments []ref.Val, kept map[string]string) *sight {
	return &sight{snapshot: snapshot, moments: moments, kept: kept, facts: f, made: make(map[string]any, len(variables))}
}

// eval evaluates a program within maxSteps.
func (s *sight) eval(p cel.Program) (ref.Val, error) {
	s.steps = 0
	out, _, err := p.Eval(s)
	return out, err
}

// interrupted is the name that CEL asks for in every round of a loop (interpreter.InterruptableEval).
const interrupted = "#interrupted"

// ResolveName implements interpreter.Activation.
func (s *sight) ResolveName(name string) (any, bool) {
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
func (s *sight) Parent() interpreter.Activation { return nil }

func (s *sight) make(name string) any {
	switch name {
	case "pods":
		return list(s.facts, podFacts(s.snapshot))
	case "containers":
		return list(s.facts, s.snapshot.Containers)
	case "processes":
		return list(s.facts, s.snapshot.Processes)
	case "networks":
		return list(s.facts, s.snapshot.Networks)
	case "sockets":
		return list(s.facts, sockets(s.snapshot))
	case "volumes":
		return list(s.facts, s.snapshot.Volumes)
	case "ipc":
		return list(s.facts, s.snapshot.IPC)
	case "moments":
		return types.NewRefValList(s.facts, s.moments)
	case "node":
		return value(s.facts, &s.snapshot.Node)
	case "kept":
		return types.NewStringStringMap(s.facts, s.kept)
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

func podFacts(s *sandbox.Snapshot) []PodFacts {
	all := make([]PodFacts, len(s.Pods))
	for i := range s.Pods {
		all[i] = podFactsOf(s, &s.Pods[i])
	}
	return all
}

func podFactsOf(s *sandbox.Snapshot, pod *sandbox.Pod) PodFacts {
	facts := PodFacts{
		Name: pod.Metadata.Name, UID: pod.Metadata.UID, Labels: pod.Metadata.Labels,
		IP: pod.Status.PodIP, Phase: pod.Status.Phase, Reason: pod.Status.Reason, Ready: isReady(pod),
		RestartPolicy: pod.Spec.RestartPolicy,
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		switch {
		case c.Pod != facts.Name || c.Kind == sandbox.KindPlain:
		case c.Kind == sandbox.KindInfra:
			facts.Infra = c
		default:
			facts.Containers = append(facts.Containers, *c)
		}
	}
	for _, v := range s.Volumes {
		if v.Pod == facts.Name {
			facts.Volumes = append(facts.Volumes, v)
		}
	}
	if i := slices.IndexFunc(s.Networks, func(n sandbox.Network) bool { return n.Owner == facts.Name }); i >= 0 {
		facts.Net = &s.Networks[i]
	}
	return facts
}

// isReady tells what the pod's own condition tells; without one, whether all its containers are ready.
func isReady(pod *sandbox.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	statuses := pod.Status.ContainerStatuses
	return len(statuses) > 0 && !slices.ContainsFunc(statuses, func(c sandbox.ContainerStatus) bool { return !c.Ready })
}
