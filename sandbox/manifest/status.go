package manifest

import (
	"fmt"
	"slices"

	"podlab/sandbox"
)

// StatusWord is the word that kubectl prints under STATUS (printPod of k8s.io/kubernetes/pkg/printers): the phase, or the reason of
// the first container that waits or has ended.
func StatusWord(p sandbox.Pod) string {
	if p.Metadata.DeletionTimestamp != "" {
		return "Terminating"
	}
	state, runs := p.Status.Phase, false
	if p.Status.Reason != "" {
		state = p.Status.Reason
	}
	for _, c := range slices.Backward(p.Status.ContainerStatuses) {
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			state = c.State.Waiting.Reason
		case c.State.Terminated != nil:
			state = ended(*c.State.Terminated)
		case c.Ready && c.State.Running != nil:
			runs = true
		}
	}
	if state != "Completed" || !runs {
		return state
	}
	isReady := func(c sandbox.PodCondition) bool { return c.Type == "Ready" && c.Status == "True" }
	if slices.ContainsFunc(p.Status.Conditions, isReady) {
		return "Running"
	}
	return "NotReady"
}

func ended(t sandbox.ContainerTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", t.ExitCode)
}
