package kubectl

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"podlab/sandbox"
)

// page is what describe prints: lines of tab-separated cells, indented by level.
type page struct{ *tabwriter.Writer }

// say prints one line. The cells are cleaned: all but names of fields comes from the node.
func (p page) say(level int, name, format string, args ...any) {
	fmt.Fprintf(p, "%s%s:\t%s\n", strings.Repeat("  ", level), Clean(name), Clean(fmt.Sprintf(format, args...)))
}

// title prints a line without a value.
func (p page) title(level int, name string) {
	fmt.Fprintf(p, "%s%s:\n", strings.Repeat("  ", level), Clean(name))
}

// Describe prints a pod as kubectl describe pod does, with its events.
func Describe(w io.Writer, pod sandbox.Pod, s sandbox.Snapshot, events []Event) error {
	p := page{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
	p.head(pod, s)
	p.title(0, "Containers")
	for _, c := range pod.Spec.Containers {
		p.container(c, statusOf(pod, c.Name))
	}
	p.conditions(pod.Status.Conditions)
	p.volumes(pod.Spec.Volumes)
	p.events(events, s.Time)
	return p.Flush()
}

func (p page) head(pod sandbox.Pod, s sandbox.Snapshot) {
	meta, status := pod.Metadata, pod.Status
	namespace := meta.Namespace
	if namespace == "" {
		namespace = "default"
	}
	p.say(0, "Name", "%s", meta.Name)
	p.say(0, "Namespace", "%s", namespace)
	p.say(0, "Node", "%s/%s", s.Node.Hostname, status.HostIP)
	p.say(0, "Start Time", "%s", moment(status.StartTime))
	p.pairs("Labels", meta.Labels, "=")
	p.pairs("Annotations", meta.Annotations, ": ")
	if meta.DeletionTimestamp != "" {
		p.say(0, "Status", "Terminating")
	} else {
		p.say(0, "Status", "%s", status.Phase)
	}
	for _, line := range [][2]string{{"Reason", status.Reason}, {"Message", status.Message}} {
		if line[1] != "" {
			p.say(0, line[0], "%s", line[1])
		}
	}
	p.say(0, "IP", "%s", status.PodIP)
}

// pairs prints a map, one pair a line.
func (p page) pairs(name string, of map[string]string, between string) {
	if len(of) == 0 {
		p.say(0, name, "<none>")
		return
	}
	for i, key := range slices.Sorted(maps.Keys(of)) {
		if i == 0 {
			p.say(0, name, "%s%s%s", key, between, of[key])
			continue
		}
		fmt.Fprintf(p, "\t%s\n", Clean(key+between+of[key]))
	}
}

func statusOf(pod sandbox.Pod, name string) sandbox.ContainerStatus {
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == name {
			return s
		}
	}
	return sandbox.ContainerStatus{}
}

func (p page) container(c sandbox.ContainerSpec, s sandbox.ContainerStatus) {
	p.title(1, c.Name)
	p.say(2, "Container ID", "%s", s.ContainerID)
	p.say(2, "Image", "%s", c.Image)
	p.say(2, "Image ID", "%s", s.ImageID)
	p.say(2, "Port", "%s", ports(c.Ports))
	p.list("Command", c.Command)
	p.list("Args", c.Args)
	p.state("State", s.State)
	if s.LastState != (sandbox.ContainerState{}) {
		p.state("Last State", s.LastState)
	}
	p.say(2, "Ready", "%s", truth(s.Ready))
	p.say(2, "Restart Count", "%d", s.RestartCount)
	p.amounts("Limits", c.Resources.Limits)
	p.amounts("Requests", c.Resources.Requests)
	p.environment(c.Env)
	p.mounts(c.VolumeMounts)
}

func ports(list []sandbox.ContainerPort) string {
	var out []string
	for _, port := range list {
		protocol := port.Protocol
		if protocol == "" {
			protocol = "TCP"
		}
		out = append(out, fmt.Sprintf("%d/%s", port.ContainerPort, protocol))
	}
	return orNone(strings.Join(out, ", "))
}

func (p page) list(name string, words []string) {
	if len(words) == 0 {
		return
	}
	p.title(2, name)
	for _, word := range words {
		for line := range strings.Lines(word) {
			fmt.Fprintf(p, "      %s\n", Clean(strings.TrimSuffix(line, "\n")))
		}
	}
}

func (p page) state(name string, s sandbox.ContainerState) {
	switch {
	case s.Running != nil:
		p.say(2, name, "Running")
		p.say(3, "Started", "%s", moment(s.Running.StartedAt))
	case s.Terminated != nil:
		t := s.Terminated
		p.say(2, name, "Terminated")
		p.say(3, "Reason", "%s", t.Reason)
		if t.Message != "" {
			p.say(3, "Message", "%s", t.Message)
		}
		p.say(3, "Exit Code", "%d", t.ExitCode)
		if t.Signal != 0 {
			p.say(3, "Signal", "%d", t.Signal)
		}
		p.say(3, "Started", "%s", moment(t.StartedAt))
		p.say(3, "Finished", "%s", moment(t.FinishedAt))
	case s.Waiting != nil:
		p.say(2, name, "Waiting")
		p.say(3, "Reason", "%s", s.Waiting.Reason)
		if s.Waiting.Message != "" {
			p.say(3, "Message", "%s", s.Waiting.Message)
		}
	default:
		p.say(2, name, "Waiting")
	}
}

func (p page) amounts(name string, of map[string]string) {
	if len(of) == 0 {
		return
	}
	p.title(2, name)
	for _, key := range slices.Sorted(maps.Keys(of)) {
		p.say(3, key, "%s", of[key])
	}
}

func (p page) environment(list []sandbox.EnvVar) {
	if len(list) == 0 {
		p.say(2, "Environment", "<none>")
		return
	}
	p.title(2, "Environment")
	for _, e := range list {
		p.say(3, e.Name, "%s", e.Value)
	}
}

func (p page) mounts(list []sandbox.VolumeMount) {
	if len(list) == 0 {
		p.say(2, "Mounts", "<none>")
		return
	}
	p.title(2, "Mounts")
	for _, m := range list {
		mode := "rw"
		if m.ReadOnly {
			mode = "ro"
		}
		fmt.Fprintf(p, "      %s from %s (%s)\n", Clean(m.MountPath), Clean(m.Name), mode)
	}
}

func (p page) conditions(list []sandbox.PodCondition) {
	p.title(0, "Conditions")
	fmt.Fprintln(p, "  Type\tStatus")
	for _, c := range list {
		fmt.Fprintf(p, "  %s\t%s\n", Clean(c.Type), Clean(c.Status))
	}
}

func (p page) volumes(list []sandbox.VolumeSource) {
	if len(list) == 0 {
		p.say(0, "Volumes", "<none>")
		return
	}
	p.title(0, "Volumes")
	for _, v := range list {
		p.title(1, v.Name)
		switch {
		case v.EmptyDir != nil:
			p.say(2, "Type", "EmptyDir (a temporary directory that shares a pod's lifetime)")
			p.say(2, "Medium", "%s", v.EmptyDir.Medium)
			limit := v.EmptyDir.SizeLimit
			if limit == "" {
				limit = "<unset>"
			}
			p.say(2, "SizeLimit", "%s", limit)
		case v.HostPath != nil:
			p.say(2, "Type", "HostPath (bare host directory volume)")
			p.say(2, "Path", "%s", v.HostPath.Path)
			p.say(2, "HostPathType", "%s", v.HostPath.Type)
		}
	}
}

func (p page) events(list []Event, now int64) {
	if len(list) == 0 {
		p.say(0, "Events", "<none>")
		return
	}
	p.title(0, "Events")
	fmt.Fprintln(p, "  Type\tReason\tAge\tFrom\tMessage")
	fmt.Fprintln(p, "  ----\t------\t----\t----\t-------")
	for _, e := range list {
		fmt.Fprintf(p, "  %s\t%s\t%s\t%s\t%s\n", e.Type, Clean(e.Reason), e.seen(now), e.From, e.Message)
	}
}

func truth(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// moment writes a time as kubectl describe does.
func moment(rfc3339 string) string {
	t, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		return rfc3339
	}
	return t.Format(time.RFC1123Z)
}
