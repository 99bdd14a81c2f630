package manifest

import (
	"testing"

	"podlab/sandbox"
)

func TestStatusWordIsKubectls(t *testing.T) {
	waiting := func(reason string) sandbox.ContainerStatus {
		return sandbox.ContainerStatus{State: sandbox.ContainerState{Waiting: &sandbox.ContainerWaiting{Reason: reason}}}
	}
	ended := func(t sandbox.ContainerTerminated) sandbox.ContainerStatus {
		return sandbox.ContainerStatus{State: sandbox.ContainerState{Terminated: &t}}
	}
	runs := sandbox.ContainerStatus{Ready: true, State: sandbox.ContainerState{Running: &sandbox.ContainerRunning{}}}
	completed := ended(sandbox.ContainerTerminated{Reason: "Completed"})
	tests := map[string]struct {
		phase      string
		containers []sandbox.ContainerStatus
	}{
		"Running":           {"Running", []sandbox.ContainerStatus{runs, runs}},
		"NotReady":          {"Running", []sandbox.ContainerStatus{runs, completed}},
		"Completed":         {"Succeeded", []sandbox.ContainerStatus{completed, completed}},
		"CrashLoopBackOff":  {"Running", []sandbox.ContainerStatus{waiting("CrashLoopBackOff"), runs}},
		"ContainerCreating": {"Pending", []sandbox.ContainerStatus{waiting("ContainerCreating"), completed}},
		"Signal:9":          {"Failed", []sandbox.ContainerStatus{ended(sandbox.ContainerTerminated{ExitCode: 137, Signal: 9})}},
		"ExitCode:3":        {"Failed", []sandbox.ContainerStatus{ended(sandbox.ContainerTerminated{ExitCode: 3})}},
		"Pending":           {"Pending", nil},
	}
	for want, tt := range tests {
		pod := sandbox.Pod{Status: sandbox.PodStatus{Phase: tt.phase, ContainerStatuses: tt.containers}}
		if got := StatusWord(pod); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
