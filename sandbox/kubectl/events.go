package kubectl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"podlab/sandbox"
)

// Types of Event (core/v1 Event.Type).
const (
	Normal  = "Normal"
	Warning = "Warning"
)

// Event is what a cluster would record of a pod, made of the agent's moments; equal ones are counted.
type Event struct {
	Type, Reason, Object, From, Message string
	Count                               int
	First, Last                         int64 // microseconds since boot
}

// errSeen ends a watch that has seen what it wanted.
var errSeen = errors.New("seen")

// Look returns the node as it is, and the moments that its agent still knows.
func Look(ctx context.Context, agent sandbox.Agent) (snapshot sandbox.Snapshot, moments []sandbox.Moment, err error) {
	err = agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Snapshot == nil {
			return nil
		}
		snapshot = *u.Snapshot
		if u.Moments != nil {
			moments = u.Moments.Items
		}
		return errSeen
	})
	if errors.Is(err, errSeen) {
		err = nil
	}
	return snapshot, moments, err
}

// Events makes events of moments, oldest first. pod "" means all.
func Events(moments []sandbox.Moment, pod string) []Event {
	var events []Event
	for _, m := range moments {
		e, ok := eventOf(m)
		if !ok || pod != "" && m.Pod != pod {
			continue
		}
		same := func(o Event) bool {
			return o.Object == e.Object && o.Reason == e.Reason && o.Message == e.Message && o.Type == e.Type
		}
		if i := slices.IndexFunc(events, same); i >= 0 {
			e.First, e.Count = events[i].First, events[i].Count+1
			events = slices.Delete(events, i, i+1)
		}
		events = append(events, e)
	}
	return events
}

// eventOf makes an event of one moment; ok is false for what the kubelet would say nothing of.
func eventOf(m sandbox.Moment) (e Event, ok bool) {
	if m.Pod == "" && m.Container == "" || strings.HasSuffix(m.Container, "/_infra") {
		return e, false
	}
	switch m.Kind {
	case sandbox.MomentPod, sandbox.MomentContainer, sandbox.MomentMount:
	default:
		return e, false
	}
	message, warns := message(m)
	if message == "" {
		return e, false
	}
	e = Event{Type: Normal, Reason: m.Reason, From: "kubelet", Message: Clean(message), Count: 1, First: m.Time, Last: m.Time, Object: "pod/" + Clean(m.Pod)}
	if m.Pod == "" {
		e.Object = "container/" + Clean(m.Container)
	}
	if warns {
		e.Type = Warning
	}
	if m.Reason == "Scheduled" {
		e.From = "default-scheduler"
	}
	e.Reason = cmp.Or(eventReasons[m.Reason], e.Reason)
	return e, true
}

// eventReasons are the reasons of events (pkg/kubelet/events) where a moment's says more.
var eventReasons = map[string]string{"ErrImagePull": "Failed", "ImagePullBackOff": "BackOff", "InvalidImageName": "InspectFailed"}

// message is what the kubelet says (pkg/kubelet/events and their callers); "" for what it has no event for.
func message(m sandbox.Moment) (text string, warns bool) {
	p := m.Params
	name := m.Container[strings.LastIndexByte(m.Container, '/')+1:]
	switch m.Reason {
	case "Scheduled":
		return fmt.Sprintf("Successfully assigned default/%s to %s", m.Pod, p["node"]), false
	case "Pulled":
		return fmt.Sprintf("Container image %q already present on machine", p["image"]), false
	case "Pulling":
		return fmt.Sprintf("Pulling image %q", p["image"]), false
	case "ErrImagePull":
		return fmt.Sprintf("Failed to pull image %q: %s", p["image"], p["detail"]), true
	case "ImagePullBackOff":
		return fmt.Sprintf("Back-off pulling image %q", p["image"]), false
	case "ErrImageNeverPull", "InvalidImageName":
		return p["detail"], true
	case "Created":
		return "Created container: " + name, false
	case "Started":
		return "Started container " + name, false
	case "Killing":
		if p["why"] == "definition" {
			return fmt.Sprintf("Container %s definition changed, will be restarted", name), false
		}
		return "Stopping container " + name, false
	case "BackOff":
		return fmt.Sprintf("Back-off restarting failed container %s in pod %s_default(%s)", name, m.Pod, p["uid"]), true
	case "Failed":
		return "Error: " + p["detail"], true
	case "SandboxChanged":
		return "Pod sandbox changed, it will be killed and re-created.", false
	case "FailedCreatePodSandBox":
		return "Failed to create pod sandbox: " + p["detail"], true
	case "FailedMount":
		return fmt.Sprintf("MountVolume.SetUp failed for volume %q : %s", p["volume"], p["detail"]), true
	case "Unhealthy", "ProbeWarning":
		name := p["probe"]
		return strings.ToUpper(name[:min(1, len(name))]) + name[min(1, len(name)):] + " probe " + p["outcome"] + ": " + p["detail"], true
	case "DeadlineExceeded":
		return "Pod was active on the node longer than the specified deadline", false
	case "Completed", "Error", "OOMKilled", "Deleted", "ContainerStatusUnknown":
		return "", false // states, not events
	}
	return other(m)
}

// other is the message of a reason that this table does not know: its message or detail.
func other(m sandbox.Moment) (text string, warns bool) {
	warns = strings.HasPrefix(m.Reason, "Failed") || m.Reason == "Evicted"
	for _, key := range []string{"message", "detail"} {
		if m.Params[key] != "" {
			return m.Params[key], warns
		}
	}
	return m.Reason, warns
}

// WriteEvents prints kubectl get events' table. now is Snapshot.Time.
func WriteEvents(w io.Writer, events []Event, now int64) error {
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	fmt.Fprintln(t, "LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE")
	for _, e := range events {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", e.seen(now), e.Type, Clean(e.Reason), e.Object, e.Message)
	}
	return t.Flush()
}

// seen is how long ago it happened, and how often.
func (e Event) seen(now int64) string {
	since := func(at int64) string { return Age(time.Duration(now-at) * time.Microsecond) }
	if e.Count > 1 {
		return fmt.Sprintf("%s (x%d over %s)", since(e.Last), e.Count, since(e.First))
	}
	return since(e.Last)
}

// FollowEvents prints the events of a pod ("" all) as they happen, until ctx ends; it begins with those that there are.
func FollowEvents(ctx context.Context, agent sandbox.Agent, pod string, w io.Writer) error {
	var now int64
	head := false
	err := agent.Watch(ctx, nil, func(u sandbox.Update) error {
		if u.Snapshot != nil {
			now = u.Snapshot.Time
		}
		if u.Moments == nil {
			return nil
		}
		var b strings.Builder
		for _, m := range u.Moments.Items {
			e, ok := eventOf(m)
			if !ok || pod != "" && m.Pod != pod {
				continue
			}
			if !head {
				fmt.Fprintf(&b, "%-11s %-9s %-15s %-20s %s\n", "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")
				head = true
			}
			fmt.Fprintf(&b, "%-11s %-9s %-15s %-20s %s\n", Event{Last: m.Time}.seen(max(now, m.Time)), e.Type, Clean(e.Reason), e.Object, e.Message)
		}
		_, err := io.WriteString(w, b.String())
		return err
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
