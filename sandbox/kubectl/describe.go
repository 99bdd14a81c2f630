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
	p.containers("Init Containers", pod.Spec.InitContainers, pod.Status.InitContainerStatuses)
	p.containers("Containers", pod.Spec.Containers, pod.Status.ContainerStatuses)
	p.containers("Ephemeral Containers", specsOf(pod.Spec.EphemeralContainers), pod.Status.EphemeralContainerStatuses)
	p.conditions(pod.Status.Conditions)
	p.volumes(pod.Spec.Volumes)
	p.say(0, "QoS Class", "%s", pod.Status.QOSClass)
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

func (p page) conditions(list []sandbox.PodCondition) {
	p.title(0, "Conditions")
	fmt.Fprintln(p, "  Type\tStatus")
	for _, c := range list {
		fmt.Fprintf(p, "  %s\t%s\n", Clean(c.Type), Clean(c.Status))
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
