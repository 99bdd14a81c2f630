package terminal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Layout of the memfd: one page of header, then the data.
//
//	0    magic
//	8    head: bytes ever written; data[head % ringSize] is the next one
//	16   which of the two slots counts
//	64   slot 0 and, at 1088, slot 1: tail (8 bytes), length of Mode (2), Mode as JSON
//	2112 length of label (2), label as JSON
//
// The slots take turns, so that a process killed at any instruction leaves one that is whole.
const (
	ringSize   = 256 << 10
	headerSize = 4096
	slotSize   = 1024
	slotAt     = 64
	labelAt    = slotAt + 2*slotSize
	magic      = "podring1"
	// readSize is the most that is read from a pty at once; trimSize the least that the tail moves.
	readSize = 32 << 10
	trimSize = 16 << 10
)

// label says whose ring it is.
type label struct {
	ID     string `json:"id"`
	Target string `json:"target"`
	PID    int    `json:"pid"`
	Start  uint64 `json:"start"`
}

// ring is the last output of a program, from tail to head, and the mode that was set at tail. It is not safe for concurrent
// use, except that space may be filled while data before head is read.
type ring struct {
	file  *os.File
	mem   []byte
	data  []byte
	tail  uint64
	mode  Mode
	label label
}

func newRing(l label) (*ring, error) {
	fd, err := unix.MemfdCreate("terminal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("ring: %w", err)
	}
	file := os.NewFile(uintptr(fd), "ring")
	if err := file.Truncate(headerSize + ringSize); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("ring: %w", err)
	}
	// A ring that shrank under its mapping would end the agent with SIGBUS.
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("ring: %w", err)
	}
	r, err := mapRing(file)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(l)
	if err != nil || len(text) > headerSize-labelAt-2 {
		return nil, errors.Join(errors.New("ring: label too long"), err, r.close())
	}
	r.label = l
	binary.LittleEndian.PutUint16(r.mem[labelAt:], uint16(len(text)))
	copy(r.mem[labelAt+2:], text)
	r.save()
	copy(r.mem, magic)
	return r, nil
}

// openRing takes over a ring of an earlier life. It owns file then, also when it fails.
func openRing(file *os.File) (*ring, error) {
	if err := sealed(file); err != nil {
		_ = file.Close()
		return nil, err
	}
	r, err := mapRing(file)
	if err != nil {
		return nil, err
	}
	if err := r.load(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// sealed makes sure that file is a memfd of the right size that cannot shrink.
func sealed(file *os.File) error {
	seals, err := unix.FcntlInt(file.Fd(), unix.F_GET_SEALS, 0)
	if err != nil || seals&unix.F_SEAL_SHRINK == 0 {
		return errors.New("ring: not sealed")
	}
	info, err := file.Stat()
	if err != nil || info.Size() != headerSize+ringSize {
		return errors.New("ring: wrong size")
	}
	return nil
}

func mapRing(file *os.File) (*ring, error) {
	mem, err := unix.Mmap(int(file.Fd()), 0, headerSize+ringSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("ring: %w", err)
	}
	return &ring{file: file, mem: mem, data: mem[headerSize:]}, nil
}

func (r *ring) load() error {
	if string(r.mem[:len(magic)]) != magic {
		return errors.New("ring: no ring")
	}
	n := int(binary.LittleEndian.Uint16(r.mem[labelAt:]))
	if n > headerSize-labelAt-2 || json.Unmarshal(r.mem[labelAt+2:labelAt+2+n], &r.label) != nil {
		return errors.New("ring: bad label")
	}
	slot := r.slot(r.mem[16] & 1)
	r.tail = binary.LittleEndian.Uint64(slot)
	n = int(binary.LittleEndian.Uint16(slot[8:]))
	if n > slotSize-10 || json.Unmarshal(slot[10:10+n], &r.mode) != nil {
		return errors.New("ring: bad mode")
	}
	if head := r.head(); r.tail > head || head-r.tail > ringSize {
		return errors.New("ring: bad place")
	}
	return nil
}

func (r *ring) slot(i byte) []byte { return r.mem[slotAt+int(i)*slotSize:][:slotSize] }

// save writes tail and mode into the slot that does not count, and lets it count.
func (r *ring) save() {
	text, err := json.Marshal(r.mode)
	if err != nil || len(text) > slotSize-10 {
		text = []byte("{}") // cannot happen: every field of Mode is bounded
	}
	next := r.mem[16]&1 ^ 1
	slot := r.slot(next)
	binary.LittleEndian.PutUint64(slot, r.tail)
	binary.LittleEndian.PutUint16(slot[8:], uint16(len(text)))
	copy(slot[10:], text)
	atomic.StoreUint64(r.word(16), uint64(next))
}

func (r *ring) word(at int) *uint64 { return (*uint64)(unsafe.Pointer(&r.mem[at])) }

func (r *ring) head() uint64 { return atomic.LoadUint64(r.word(8)) }

// space returns where the next bytes go, at most readSize; it moves the tail to make room.
func (r *ring) space() []byte {
	head := r.head()
	if head+readSize-r.tail > ringSize {
		r.trim(head + readSize - ringSize + trimSize)
	}
	at := head % ringSize
	return r.data[at:min(at+readSize, ringSize)]
}

// wrote says that n bytes were put into space.
func (r *ring) wrote(n int) { atomic.StoreUint64(r.word(8), r.head()+uint64(n)) }

// trim moves the tail to want or a little behind it: after a line feed if there is one soon, else after a whole token.
func (r *ring) trim(want uint64) {
	src := r.copyOut(r.tail, min(r.head(), want+4096))
	need := int(want - r.tail)
	done := 0
	for done < len(src) {
		n := token(src[done:])
		if n == 0 {
			break
		}
		r.mode.apply(src[done : done+n])
		done += n
		if done >= need && (src[done-1] == '\n' || done >= need+2048) {
			break
		}
	}
	if done < need { // one sequence without an end: it is cut
		done = need
	}
	r.tail += uint64(done)
	r.save()
}

// copyOut copies the bytes of places from up to to.
func (r *ring) copyOut(from, to uint64) []byte {
	out := make([]byte, to-from)
	r.read(out, from)
	return out
}

// read fills p with the bytes from a place on.
func (r *ring) read(p []byte, from uint64) {
	at := from % ringSize
	n := copy(p, r.data[at:])
	copy(p[n:], r.data)
}

// replay is output that rebuilds the screen on any terminal and does nothing else: no answer, no bell. It is empty for an empty ring.
func (r *ring) replay() []byte {
	src := r.copyOut(r.tail, r.head())
	if len(src) == 0 {
		return nil
	}
	out := append(make([]byte, 0, len(src)+128), "\x1bc"...)
	out = append(out, r.mode.prefix()...)
	for len(src) > 0 {
		n := token(src)
		if n == 0 { // its rest is still to come
			if begun(src) {
				out = append(out, src...)
			}
			return out
		}
		if !live(src[:n]) {
			// Half a character must not become a whole one, perhaps a C1 control, with what comes next when something between is left out.
			out = append(out, bytes.ToValidUTF8(src[:n], []byte("\ufffd"))...)
		}
		src = src[n:]
	}
	return out
}

// now is the mode at head.
func (r *ring) now() Mode {
	mode := r.mode
	src := r.copyOut(r.tail, r.head())
	for n := token(src); n > 0; n = token(src) {
		mode.apply(src[:n])
		src = src[n:]
	}
	return mode
}

func (r *ring) close() error {
	return errors.Join(unix.Munmap(r.mem), r.file.Close())
}
