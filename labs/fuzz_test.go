package labs

import (
	"encoding/binary"
	"testing"

	"podlab/sandbox"
)

// FuzzMoments merges any moments with any snapshots between them: what goes in comes out once, in bounds, however wild the numbers are.
func FuzzMoments(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"))
	f.Add([]byte{0, 1, 2, 3, 1, 9, 2, 3, 0, 1, 2, 3, 7, 0, 0, 0, 8, 1, 2, 3, 0, 255, 255, 255, 9, 9, 9, 9})
	f.Fuzz(func(t *testing.T, script []byte) {
		m, log := newMerger(), momentLog{}
		in := 0
		var page uint64
		for len(script) >= 6 {
			what, a, b, number := script[0], int(script[1])%16, int(script[2])%16, uint64(binary.LittleEndian.Uint16(script[3:]))
			switch what % 8 {
			case 6:
				log.add(m.look(fuzzedSnapshot(script[1:6]), what&8 != 0))
			case 7:
				log.add(m.release())
			default:
				run := sandbox.Moments{Items: []sandbox.Moment{{
					Source: []string{sandbox.SourceKernel, sandbox.SourceAgent, "else"}[what%3], Kind: []string{"fork", "exec", "exit", "hidden", "pod"}[a%5],
					Seq: number << (script[5] % 49), Time: int64(script[5]), PID: a, PPID: b, PIDNS: uint64(b), Thread: what&16 != 0,
				}}}
				in++
				settled, _ := m.take(run)
				log.add(settled)
			}
			script = script[6:]
			page = reads(t, &log, page)
		}
		log.add(m.release())
		if len(m.held) > 0 || int(log.next) > in || len(log.items) > maxLog {
			t.Errorf("%d held, %d of %d came out, %d kept", len(m.held), log.next, in, len(log.items))
		}
		if len(m.owner) > 2*maxOwners || len(m.hidden) > 2*maxOwners {
			t.Errorf("%d owners and %d hidden are remembered", len(m.owner), len(m.hidden))
		}
	})
}

// reads lets a page that read so far read on, to the end.
func reads(t *testing.T, log *momentLog, from uint64) uint64 {
	t.Helper()
	for {
		items, next, missed := log.read(from)
		if next != from+missed+uint64(len(items)) || len(items) > maxFrame || next > log.next {
			t.Fatalf("from %d: %d items, %d missed, next %d of %d", from, len(items), missed, next, log.next)
		}
		if from = next; len(items) == 0 {
			return from
		}
	}
}

func fuzzedSnapshot(b []byte) *sandbox.Snapshot {
	s := &sandbox.Snapshot{Time: int64(b[0]), Node: sandbox.NodeView{AgentPID: int(b[1]) % 16, NS: sandbox.Namespaces{PID: uint64(b[2]) % 16}}}
	for i, id := range []string{"web", "demo/a", "demo/b"} {
		s.Containers = append(s.Containers, sandbox.Container{ID: id, NS: sandbox.Namespaces{PID: uint64(b[3]) >> i % 16}})
		p := sandbox.Process{PID: int(b[4]) >> i % 16, PPID: i, Container: id}
		p.NS.PID = uint64(i)
		s.Processes = append(s.Processes, p)
	}
	return s
}
