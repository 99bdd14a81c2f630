package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// Limits of what one node may report, so that a fork bomb costs its own node's moments and nobody else's.
const (
	allowance       = 1000 // events in each stretch of time,
	socketAllowance = 200  // of which sockets may have this many
	allowanceTime   = 100 * time.Millisecond
	ringBytes       = 1 << 20
	maxNodes        = 4096 // at a time
	dying           = 4    // nodes that have ended while some of their sockets have not, beside those that there are
)

// Layout of a node's entry in the kernel's map, in bytes.
const (
	entryLost    int16 = 0  // events lost since the node was added
	entrySince   int16 = 8  // begin of the current stretch, boot time in ns
	entryCount   int16 = 16 // events in it
	entrySockets int16 = 24 // those of sockets among them
	entryTold    int16 = 32 // sockets in the map told, signed: a node may be added while some of it are there
	entryOwned   int16 = 40 // those in the map of owners, in the same way
	entrySize          = 48
)

// Layout of a record in the ring, in bytes, in the machine's own byte order.
const (
	recTime       int16 = 0  // CLOCK_BOOTTIME, ns
	recStart      int16 = 8  // when the process began, CLOCK_BOOTTIME, ns
	recLost       int16 = 16 // entryLost at this time
	recNode       int16 = 24 // inode of the node's pid namespace
	recPIDNS      int16 = 28 // inode of the task's own pid namespace
	recTID        int16 = 32 // task, as the node sees it
	recPID        int16 = 36 // its process
	recPPID       int16 = 40 // the process it comes from; 0 when not on the node
	recTIDInside  int16 = 44 // task, in its own pid namespace
	recPIDInside  int16 = 48
	recHostTID    int16 = 52
	recHostPID    int16 = 56
	recKind       int16 = 60
	recTaskCode   int16 = 64 // task_struct.exit_code: a wait status
	recLeaderCode int16 = 68 // the same of the group's leader
	recGroupCode  int16 = 72 // signal_struct.group_exit_code
	recGroupFlags int16 = 76 // signal_struct.flags
	recLive       int16 = 80 // signal_struct.live: tasks of the process that have not begun to end
	recGroupDead  int16 = 84 // whether this was the last of them
	recComm       int16 = 88
	recReaper     int16 = 104 // exit: who adopts the children of the process; 0 when not on the node
	recordSize          = 112
	recPath       int16 = recordSize // exec only

	commSize = 16
	pathSize = 256 // with the closing zero

	groupDeadUnknown = 2
	signalGroupExit  = 4 // SIGNAL_GROUP_EXIT in signal_struct.flags
)

// Kinds of record.
const (
	recordFork = iota + 1
	recordExec
	recordExit
	recordCall
	recordTCP
	recordOOM
	recordSocket
)

// tails are the bytes that a kind's record has after the common part.
var tails = map[uint32]int{recordExec: pathSize, recordCall: int(callSize), recordTCP: tcpSize, recordSocket: socketSize}

// record is one event as the kernel's programs wrote it.
type record []byte

func parseRecord(b []byte) (record, error) {
	want := recordSize
	if len(b) >= recordSize {
		want += tails[record(b).u32(recKind)]
	}
	if len(b) < want {
		return nil, fmt.Errorf("trace: record of %d bytes", len(b))
	}
	return record(b), nil
}

func (r record) u16(at int16) uint16 { return binary.NativeEndian.Uint16(r[at:]) }
func (r record) u32(at int16) uint32 { return binary.NativeEndian.Uint32(r[at:]) }
func (r record) u64(at int16) uint64 { return binary.NativeEndian.Uint64(r[at:]) }
func (r record) pid(at int16) int    { return int(int32(r.u32(at))) }
func (r record) thread() bool        { return r.u32(recHostTID) != r.u32(recHostPID) }
func (r record) text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return text.Clean(string(s), len(b))
}
func (r record) process() processID { return processID{r.u32(recHostPID), r.u64(recStart)} }
func (r record) node() uint64       { return uint64(r.u32(recNode)) }
func (r record) lastOfProcess() bool {
	if dead := r.u32(recGroupDead); dead != groupDeadUnknown {
		return dead != 0
	}
	return int32(r.u32(recLive)) <= 0
}

// processID names a process for ever: its pid on the host and its start.
type processID struct {
	pid   uint32
	start uint64
}

// task is the moment of the task itself. A thread's parent is the process it belongs to.
func (r record) task(kind string) sandbox.Moment {
	m := sandbox.Moment{
		Source:    sandbox.SourceKernel,
		Time:      int64(r.u64(recTime) / 1000),
		Kind:      kind,
		PID:       r.pid(recTID),
		PPID:      r.pid(recPPID),
		PIDInside: r.pid(recTIDInside),
		PIDNS:     uint64(r.u32(recPIDNS)),
		Thread:    r.thread(),
		Name:      r.text(r[recComm : recComm+commSize]),
	}
	if m.Thread {
		m.PPID = r.pid(recPID)
	}
	return m
}

// exits are the moments of an exit: of a thread, of the whole process, or of both when a thread was the last to go.
func (r record) exits() []sandbox.Moment {
	var all []sandbox.Moment
	last := r.lastOfProcess()
	if r.thread() || !last {
		m := r.task(sandbox.MomentExit)
		m.Thread, m.PPID = true, r.pid(recPID)
		setStatus(&m, r.u32(recTaskCode))
		all = append(all, m)
	}
	if last {
		m := r.task(sandbox.MomentExit)
		m.Thread = false
		m.PID, m.PPID, m.PIDInside = r.pid(recPID), r.pid(recPPID), r.pid(recPIDInside)
		setStatus(&m, r.processCode())
		all = append(all, m)
	}
	return all
}

// processCode is the wait status that the parent will see (wait_task_zombie in kernel/exit.c).
func (r record) processCode() uint32 {
	if r.u32(recGroupFlags)&signalGroupExit != 0 {
		return r.u32(recGroupCode)
	}
	return r.u32(recLeaderCode)
}

// setStatus splits a wait status. A signal n gives code 128+n, as a shell says it.
func setStatus(m *sandbox.Moment, status uint32) {
	m.Code, m.Signal = int(status>>8&0xff), int(status&0x7f)
	if m.Signal != 0 {
		m.Code = 128 + m.Signal
	}
}

func (r record) exec() sandbox.Moment {
	m := r.task(sandbox.MomentExec)
	m.Path = r.text(r[recPath : int(recPath)+pathSize])
	return m
}
