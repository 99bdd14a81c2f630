package engine

import (
	"slices"
	"strings"
	"testing"

	"podlab/sandbox"
)

// of lists what was told of a container, in order.
func (b *bench) of(id string) (reasons []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.moments {
		if m.Container == id {
			reasons = append(reasons, m.Reason)
		}
	}
	return reasons
}

// TestContainersWaitForInfra: a container that is prepared beside its infra runs after it, and is told of after it.
func TestContainersWaitForInfra(t *testing.T) {
	b := open(t)
	b.apply(pod("p", "", sh("a", idle), sh("b", idle)))
	infra, a, other := b.running("p/_infra"), b.running("p/a"), b.running("p/b")
	for _, s := range []Subject{a, other} {
		if s.Started < infra.Started {
			t.Errorf("%s runs since %d µs, infra since %d", s.ID, s.Started, infra.Started)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	at := func(id, reason string) int {
		return slices.IndexFunc(b.moments, func(m sandbox.Moment) bool { return m.Container == id && m.Reason == reason })
	}
	for _, id := range []string{"p/a", "p/b"} {
		if up, first := at("p/_infra", "Started"), at(id, "Pulled"); up < 0 || first < up {
			t.Errorf("infra started is moment %d, %s was pulled at %d", up, id, first)
		}
	}
}

// TestInfraThatCannotStart: nothing is told of the containers that were prepared beside it, nothing is left of them, and when it can at last
// their first start is no restart.
func TestInfraThatCannotStart(t *testing.T) {
	b := open(t)
	b.apply(pod("p", `"securityContext":{"sysctls":[{"name":"net.ipv4.ip_unprivileged_port_start","value":"nonsense"}]}`, sh("a", idle), sh("b", "exit 1")))
	b.eventually("two attempts", func() bool { return strings.Count(b.reasons(), "FailedCreatePodSandBox") > 1 })
	for _, id := range []string{"p/a", "p/b"} {
		_, s, _ := b.find(id)
		if told := b.of(id); len(told) > 0 || s.State != sandbox.StateWaiting || s.Restarts != 0 {
			t.Errorf("%s: %v %+v", id, told, s)
		}
	}
	b.remove("p")
	b.apply(pod("p", "", sh("a", idle)))
	if s := b.running("p/a"); s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
}
