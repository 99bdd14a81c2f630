package engine

import "podlab/sandbox"

// QoS classes of pods.
const (
	guaranteed = "Guaranteed"
	burstable  = "Burstable"
	bestEffort = "BestEffort"
)

// qosClass is a pod's quality of service (Kubernetes' "Pod Quality of Service Classes"): Guaranteed when each container, init containers
// included, limits its CPU and memory and requests as much; BestEffort when none asks for or limits either.
func qosClass(spec *sandbox.PodSpec) string {
	class, any := guaranteed, false
	for _, list := range [][]sandbox.ContainerSpec{spec.InitContainers, spec.Containers} {
		for _, c := range list {
			a, err := amounts("", c.Resources)
			if err != nil {
				continue // validate has refused it
			}
			any = any || a.cpu+a.cpuLimit+a.memory+a.memoryLimit > 0
			if a.cpuLimit == 0 || a.memoryLimit == 0 || a.cpu != a.cpuLimit || a.memory != a.memoryLimit {
				class = burstable
			}
		}
	}
	if !any {
		return bestEffort
	}
	return class
}

// requests is what a pod asks of its node (KEP-753, "Resources calculation for scheduling and pod admission"): its containers and sidecars
// together or, if that is more, one init container with the sidecars started before it.
func (o *object) requests() amount {
	var sidecars, most, sum amount
	for _, c := range o.Spec.InitContainers {
		a, err := amounts("", c.Resources)
		if err != nil {
			continue // validate has refused it
		}
		if c.RestartPolicy == always {
			sidecars = sidecars.plus(a)
			a = amount{}
		}
		a = a.plus(sidecars)
		most.memory, most.cpu = max(most.memory, a.memory), max(most.cpu, a.cpu)
	}
	for _, c := range o.Spec.Containers {
		if a, err := amounts("", c.Resources); err == nil {
			sum = sum.plus(a)
		}
	}
	sum = sum.plus(sidecars)
	return amount{memory: max(sum.memory, most.memory), cpu: max(sum.cpu, most.cpu)}
}

// plus adds what is requested.
func (a amount) plus(b amount) amount { return amount{memory: a.memory + b.memory, cpu: a.cpu + b.cpu} }
