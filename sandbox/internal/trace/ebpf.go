package trace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// quiet is how long after the last event the kernel's counts of lost events are read once more.
const quiet = 200 * time.Millisecond

// kernelSource is the programs in the kernel and the ring they write to.
type kernelSource struct {
	nodes   *ebpf.Map
	owners  *ebpf.Map // of sockets
	told    *ebpf.Map // UDP and Unix sockets that are open, by the address of their dentry: what was told of each last
	marks   *ebpf.Map // where in memory they may be
	draft   *ebpf.Map // room for a record, of each processor
	reader  *ringbuf.Reader
	untold  []string
	partial error          // why this kernel's programs tell less than they could
	events  []int          // descriptors of perf events
	closer  []func() error // in the order of opening; links must stay referenced or the garbage collector detaches them

	mu       sync.Mutex
	known    map[uint32]uint64 // node → lost events that were reported
	families map[uint32]family

	ended  [64]processID // processes whose end was reported, the last ones: see firstEnd
	endedN int
}

func openEBPF(nodes int) (source, error) {
	at, err := kernelOffsets()
	if err != nil {
		return nil, err
	}
	return openKernel(at, limitsFor(nodes))
}

// limits of a kernelSource: the ring's size in bytes, a node's events in each allowanceTime, how many of them may be of sockets, how
// many nodes there are at a time, and the machine's processors.
type limits struct {
	ring               uint32
	allowance, sockets int32
	nodes, processors  uint32
}

func limitsFor(nodes int) limits {
	return limits{
		ring: ringBytes, allowance: allowance, sockets: socketAllowance,
		nodes: uint32(min(max(nodes, 1)+dying, maxNodes)), processors: uint32(ebpf.MustPossibleCPU()), //nolint:gosec // thousands at most
	}
}

func openKernel(at offsets, lim limits) (_ *kernelSource, err error) {
	s := &kernelSource{known: map[uint32]uint64{}, families: map[uint32]family{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	ring, err := s.openMaps(lim)
	if err != nil {
		return nil, err
	}
	fds := mapFDs{nodes: s.nodes.FD(), ring: ring.FD(), owners: s.owners.FD(), told: s.told.FD(), marks: s.marks.FD(), draft: s.draft.FD()}
	assembled := func(program func(*assembly)) asm.Instructions { return assemble(program, at, fds, lim) }
	var calls, sockets error
	if calls = s.attachCalls(assembled); calls != nil {
		s.untold = append(s.untold, sandbox.UntoldNamespaces, sandbox.UntoldMounts)
	}
	if sockets = at.noSockets; sockets == nil {
		sockets = s.attachSockets(assembled)
	}
	if sockets != nil {
		s.untold = append(s.untold, sandbox.UntoldSockets)
	}
	if !at.oomHasTask {
		s.untold = append(s.untold, sandbox.UntoldOOM)
	}
	s.partial, at.noSockets = errors.Join(calls, sockets), sockets
	// The ring is open for reading before the first program can write.
	for _, p := range programs(at) {
		if err := s.attach(p.tracepoint, assembled(p.program)); err != nil {
			return nil, fmt.Errorf("%s: %w", p.tracepoint, err)
		}
	}
	return s, nil
}

// attachment is a program and its tracepoint.
type attachment struct {
	tracepoint string
	program    func(*assembly)
}

// programs are what this kernel can tell of.
func programs(at offsets) []attachment {
	list := []attachment{
		{"sched_process_fork", forkProgram},
		{"sched_process_exec", execProgram},
		{"sched_process_exit", exitProgram},
		{"inet_sock_set_state", tcpProgram},
	}
	if at.oomHasTask {
		list = append(list, attachment{"mark_victim", oomProgram})
	}
	return list
}

// room is how large a map must be that forgets nothing of so many sockets of each node: every processor keeps up to 128 free places for itself,
// and the kernel takes a used one before those of another (LOCAL_FREE_TARGET in kernel/bpf/bpf_lru_list.c). What has been missed of an end
// is forgotten at last.
func room(each uint32, lim limits) uint32 { return each*lim.nodes + 128*(lim.processors+1) }

// openMaps makes the maps, whose room is taken at once: a program that runs where the kernel frees something can ask it for none.
func (s *kernelSource) openMaps(lim limits) (ring *ebpf.Map, err error) {
	const record = uint32(recordSize + socketSize)
	for _, m := range []struct {
		into **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&s.nodes, ebpf.MapSpec{Name: "podlab_nodes", Type: ebpf.Hash, KeySize: 4, ValueSize: entrySize, MaxEntries: maxNodes}},
		{&s.owners, ebpf.MapSpec{Name: "podlab_sockets", Type: ebpf.LRUHash, KeySize: 8, ValueSize: ownerSize, MaxEntries: room(ownersEach, lim)}},
		{&s.told, ebpf.MapSpec{Name: "podlab_told", Type: ebpf.LRUHash, KeySize: 8, ValueSize: record, MaxEntries: room(toldEach, lim)}},
		{&s.marks, ebpf.MapSpec{Name: "podlab_marks", Type: ebpf.Array, KeySize: 4, ValueSize: 4 * maxMarks, MaxEntries: 1}},
		{&s.draft, ebpf.MapSpec{Name: "podlab_draft", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: record, MaxEntries: 1}},
		{&ring, ebpf.MapSpec{Name: "podlab_events", Type: ebpf.RingBuf, MaxEntries: lim.ring}},
	} {
		if *m.into, err = ebpf.NewMap(&m.spec); err != nil {
			return nil, fmt.Errorf("map %s: %w", m.spec.Name, err)
		}
		s.closer = append(s.closer, (*m.into).Close)
	}
	if s.reader, err = ringbuf.NewReader(ring); err != nil {
		return nil, fmt.Errorf("ring of events: %w", err)
	}
	s.closer = append(s.closer, s.reader.Close)
	return ring, nil
}

func (s *kernelSource) attach(tracepoint string, instructions asm.Instructions) error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "podlab_" + tracepoint[strings.LastIndexByte(tracepoint, '_')+1:], Type: ebpf.RawTracepoint, Instructions: instructions,
		License: "GPL", // the helpers that read kernel memory ask for it
	})
	if err != nil {
		return err
	}
	s.closer = append(s.closer, program.Close)
	attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: tracepoint, Program: program})
	if err != nil {
		return err
	}
	s.closer = append(s.closer, attached.Close)
	return nil
}

// close ends the programs. The kernel waits some 50 ms for whoever is in one before it takes it off a tracepoint: for all of them at once.
func (s *kernelSource) close() error {
	var events errgroup.Group
	for _, event := range s.events {
		events.Go(func() error { return unix.Close(event) })
	}
	s.events = nil
	errs := []error{events.Wait()}
	for _, f := range slices.Backward(s.closer) {
		errs = append(errs, f())
	}
	s.closer = nil
	return errors.Join(errs...)
}

func (s *kernelSource) add(pidns uint64, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.nodes.Put(uint32(pidns), make([]byte, entrySize)); err != nil {
		return fmt.Errorf("trace: node of pid namespace %d: %w", pidns, err)
	}
	s.known[uint32(pidns)] = 0
	s.families[uint32(pidns)] = newFamily()
	return nil
}

func (s *kernelSource) remove(pidns uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, uint32(pidns))
	delete(s.families, uint32(pidns))
	_ = s.nodes.Delete(uint32(pidns)) // it may never have been there
}

func (s *kernelSource) run(ctx context.Context, sink Sink) error {
	stop := context.AfterFunc(ctx, func() { _ = s.reader.Flush() }) // wakes a read that waits; fails only when closed
	defer stop()
	var rec ringbuf.Record
	for ctx.Err() == nil {
		err := s.reader.ReadInto(&rec)
		switch {
		case errors.Is(err, ringbuf.ErrFlushed):
			// ctx has ended, or it did in an earlier Run that did not read again.
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.reader.SetDeadline(time.Time{})
			s.reportLost(sink)
		case err != nil:
			return fmt.Errorf("trace: ring of events: %w", err)
		default:
			if err := s.deliver(rec.RawSample, sink); err != nil {
				return err
			}
			if rec.Remaining == 0 {
				s.reader.SetDeadline(time.Now().Add(quiet))
			}
		}
	}
	return nil
}

func (s *kernelSource) deliver(b []byte, sink Sink) error {
	r, err := parseRecord(b)
	if err != nil {
		return err
	}
	if !s.countLost(r.u32(recNode), r.u64(recLost), sink) {
		return nil // removed meanwhile
	}
	orphans := s.orphans(r)
	switch r.u32(recKind) {
	case recordFork:
		sink.Moment(r.node(), r.task(sandbox.MomentFork))
	case recordExec:
		sink.Moment(r.node(), r.exec())
	case recordExit:
		for _, m := range r.exits() {
			if m.Thread || s.firstEnd(r) {
				sink.Moment(r.node(), m)
			}
		}
		for _, m := range orphans {
			sink.Moment(r.node(), m)
		}
	case recordCall:
		if m, ok := r.call(); ok {
			sink.Moment(r.node(), m)
		}
	case recordTCP:
		sink.Moment(r.node(), r.tcp())
	case recordSocket:
		for _, m := range r.sockets() {
			sink.Moment(r.node(), m)
		}
	case recordOOM:
		sink.Moment(r.node(), r.oom())
	}
	return nil
}

// firstEnd keeps the end of a process from being told twice: kernels whose tracepoint does not say which task was the last let two
// tasks that end at the same time both find that none is left.
func (s *kernelSource) firstEnd(r record) bool {
	id := r.process()
	if slices.Contains(s.ended[:], id) {
		return false
	}
	s.ended[s.endedN%len(s.ended)] = id
	s.endedN++
	return true
}

// countLost reports what was lost since the last event of the node. It is false when the node is not registered any more.
func (s *kernelSource) countLost(node uint32, lost uint64, sink Sink) bool {
	s.mu.Lock()
	before, ok := s.known[node]
	if ok && lost > before {
		s.known[node] = lost
	}
	s.mu.Unlock()
	if ok && lost > before {
		sink.Lost(uint64(node), lost-before)
	}
	return ok
}

// reportLost reads the counts of all nodes: the last event of a burst may be among the lost.
func (s *kernelSource) reportLost(sink Sink) {
	s.mu.Lock()
	nodes := make([]uint32, 0, len(s.known))
	for node := range s.known {
		nodes = append(nodes, node)
	}
	s.mu.Unlock()
	entry := make([]byte, entrySize)
	for _, node := range nodes {
		if s.nodes.Lookup(node, &entry) == nil {
			s.countLost(node, record(entry).u64(entryLost), sink)
		}
	}
}
