package walls

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
	"podlab/sandbox/wire"
)

// The socket of the pod command, which whoever is root in a node may speak to.
const agentSocket = "/run/podlab/agent.sock"

const besieged = 2 * time.Second // how long each siege lasts

// sieges are what a hostile client does with one connection, by name; many do it at a time, again and again. What it leaves open stays open.
var sieges = map[string]struct {
	clients int
	with    func(net.Conn)
}{
	"garbage": {32, func(c net.Conn) {
		_, _ = io.CopyN(c, rand.Reader, 4096)
		_ = c.Close()
	}},
	"a frame too long": {32, func(c net.Conn) {
		_, _ = c.Write([]byte("j\xff\xff\xff\xff"))
		_, _ = io.Copy(io.Discard, c)
	}},
	"long lists": {64, func(c net.Conn) {
		request(c, `{"verb":"apply","args":{"objects":[`+strings.Repeat("0,", 1<<19-100)+`0]}}`)
		_, _ = io.Copy(io.Discard, c)
	}},
	"deep lists": {64, func(c net.Conn) {
		request(c, `{"verb":"apply","args":{"objects":`+strings.Repeat("[", 1<<20-100))
		_, _ = io.Copy(io.Discard, c)
	}},
	"long files": {64, func(c net.Conn) {
		request(c, `{"verb":"writefile","args":{"path":"/nowhere","data":"`+strings.Repeat("A", 1<<20-100)+`"}}`)
		_, _ = io.Copy(io.Discard, c)
	}},
	"half frames": {64, func(c net.Conn) {
		_, _ = c.Write(binary.BigEndian.AppendUint32([]byte{wire.JSON}, 1<<20))
		_, _ = c.Write(make([]byte, 1<<20-1))
	}},
	"silence": {1000, func(net.Conn) {}},
	"unknown verbs": {32, func(c net.Conn) {
		request(c, `{"verb":"`+strings.Repeat("x", 1000)+`"}`)
		_, _ = io.Copy(io.Discard, c)
	}},
	"slow readers of states": {64, func(c net.Conn) {
		request(c, `{"verb":"watch"}`)
		for range 1000 {
			_ = wire.Write(c, wire.Poke, nil)
		}
	}},
	"slow readers of output": {64, func(c net.Conn) { request(c, `{"verb":"exec","args":{"argv":["yes"]}}`) }},
	"typing without end": {64, func(c net.Conn) {
		request(c, `{"verb":"exec","args":{"argv":["sleep","1000"],"stdin":true}}`)
		for wire.Write(c, wire.Stdin, make([]byte, wire.MaxData)) == nil {
		}
	}},
}

func request(c net.Conn, text string) { _ = wire.Write(c, wire.JSON, []byte(text)) }

// besiege is an attack (attacker_test.go).
func besiege(args []string) {
	siege := sieges[args[0]]
	var begun sync.WaitGroup
	end := time.Now().Add(besieged)
	for range siege.clients {
		begun.Add(1)
		go func() {
			first := sync.OnceFunc(begun.Done)
			for ; time.Now().Before(end); time.Sleep(time.Millisecond) {
				c, err := net.Dial("unix", agentSocket)
				if err != nil {
					continue
				}
				first()
				_ = c.SetDeadline(end)
				siege.with(c)
			}
		}()
	}
	begun.Wait()
	fmt.Println("begun")
	time.Sleep(time.Until(end))
}

// TestAgentsSocketIsBesieged: whatever comes on the socket inside a node, the agent answers the server, in the same life and in little memory, and
// so does the neighbour's; and when it is over, the learner's own pod command works.
func TestAgentsSocketIsBesieged(t *testing.T) {
	d := sandboxtest.Start(t)
	neighbour := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "neighbour"}))
	agent := d.Agent(d.Node(t, sandbox.NodeSpec{ID: "besieged", PIDs: 2000}))
	smuggle(t, agent, "")
	for name := range sieges {
		t.Run(name, func(t *testing.T) {
			before := took(t, "the agent", agent)
			if said := held(t, agent, "besiege", name); said != "begun" {
				t.Fatal(said)
			}
			most, slowest := int64(0), time.Duration(0)
			for end := time.Now().Add(besieged - 500*time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				s := took(t, "the agent", agent)
				if s.snapshot.Agent != before.snapshot.Agent {
					t.Fatal("the agent died")
				}
				most, slowest = max(most, memoryOf(s.snapshot)), max(slowest, s.took)
				slowest = max(slowest, took(t, "the neighbour's agent", neighbour).took)
			}
			t.Logf("%d MiB, answers after %v at most", most>>20, slowest)
			if most > bound {
				t.Errorf("the agent takes %d MiB", most>>20)
			}
			if slowest > sandboxtest.Within(2*time.Second) {
				t.Errorf("an answer took %v", slowest)
			}
			for end := time.Now().Add(sandboxtest.Within(10 * time.Second)); ; time.Sleep(100 * time.Millisecond) {
				out := script(t, agent, "", "pod get 2>&1")
				if out == "There are no pods on this node." {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("the pod command says %q", out)
				}
			}
		})
	}
}

// bound is what an agent may take while it is besieged, in bytes: a node has 512 MiB.
const bound = 128 << 20

type answer struct {
	snapshot sandbox.Snapshot
	took     time.Duration
}

func took(t *testing.T, what string, agent sandbox.Agent) answer {
	t.Helper()
	began := time.Now()
	s, err := agent.Snapshot(t.Context())
	if err != nil {
		t.Fatalf("%s: %v after %v", what, err, time.Since(began))
	}
	return answer{s, time.Since(began)}
}

// memoryOf is what the node's agent takes.
func memoryOf(s sandbox.Snapshot) int64 {
	for _, p := range s.Processes {
		if p.PID == s.Node.AgentPID {
			return p.RSS
		}
	}
	return 0
}
