package sandbox

import "testing"

func TestColumns(t *testing.T) {
	yes := true
	waits := func(reason string) ContainerState { return ContainerState{Waiting: &ContainerWaiting{Reason: reason}} }
	runs := ContainerState{Running: &ContainerRunning{}}
	ended := func(code int, reason string) ContainerState {
		return ContainerState{Terminated: &ContainerTerminated{ExitCode: code, Reason: reason}}
	}
	spec := PodSpec{
		InitContainers: []ContainerSpec{{Name: "one"}, {Name: "side", RestartPolicy: "Always"}},
		Containers:     []ContainerSpec{{Name: "a"}, {Name: "b"}},
	}
	up := ContainerStatus{Name: "side", State: runs, Ready: true, Started: &yes, RestartCount: 2}
	done := ContainerStatus{Name: "one", State: ended(0, "Completed"), RestartCount: 5}
	pending := []ContainerStatus{{State: waits("PodInitializing")}, {State: waits("PodInitializing")}}
	for name, c := range map[string]struct {
		status PodStatus
		meta   ObjectMeta
		want   PodColumns
	}{
		"the first runs":    {PodStatus{Phase: "Pending", InitContainerStatuses: []ContainerStatus{{Name: "one", State: runs}, {Name: "side", State: waits("PodInitializing")}}, ContainerStatuses: pending}, ObjectMeta{}, PodColumns{0, 3, "Init:0/2", 0}},
		"the first crashes": {PodStatus{Phase: "Pending", InitContainerStatuses: []ContainerStatus{{Name: "one", State: waits("CrashLoopBackOff"), RestartCount: 3}}, ContainerStatuses: pending}, ObjectMeta{}, PodColumns{0, 3, "Init:CrashLoopBackOff", 3}},
		"the first failed":  {PodStatus{Phase: "Failed", InitContainerStatuses: []ContainerStatus{{Name: "one", State: ended(1, "Error")}}, ContainerStatuses: pending}, ObjectMeta{}, PodColumns{0, 3, "Init:Error", 0}},
		"initialized":       {PodStatus{Phase: "Pending", InitContainerStatuses: []ContainerStatus{done, up}, ContainerStatuses: pending}, ObjectMeta{}, PodColumns{1, 3, "PodInitializing", 2}},
		"running":           {PodStatus{Phase: "Running", InitContainerStatuses: []ContainerStatus{done, up}, ContainerStatuses: []ContainerStatus{{State: runs, Ready: true}, {State: runs, RestartCount: 1}}}, ObjectMeta{}, PodColumns{2, 3, "Running", 3}},
		"one is done":       {PodStatus{Phase: "Running", InitContainerStatuses: []ContainerStatus{done, up}, ContainerStatuses: []ContainerStatus{{State: ended(0, "Completed")}, {State: runs, Ready: true}}}, ObjectMeta{}, PodColumns{2, 3, "NotReady", 2}},
		"by a signal":       {PodStatus{Phase: "Failed", InitContainerStatuses: []ContainerStatus{done}, ContainerStatuses: []ContainerStatus{{State: ended(7, "")}}}, ObjectMeta{}, PodColumns{0, 3, "ExitCode:7", 0}},
		"evicted":           {PodStatus{Phase: "Failed", Reason: "Evicted"}, ObjectMeta{}, PodColumns{0, 3, "Evicted", 0}},
		"deleted":           {PodStatus{Phase: "Running"}, ObjectMeta{DeletionTimestamp: "x"}, PodColumns{0, 3, "Terminating", 0}},
	} {
		p := Pod{Metadata: c.meta, Spec: spec, Status: c.status}
		if got := p.Columns(); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
