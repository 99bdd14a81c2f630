package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"

	"podlab/labs/record"
	"podlab/sandbox"
	"podlab/web/golden"
)

// hostile are files that no server makes: some kilobytes each, within the bounds of a file and of its chunks, and with all that those
// leave room for.
var hostile = map[string]func() []byte{
	// As many of each kind as a message of an agent may hold elements.
	"lists": func() []byte { return forged(framesChunk(0, crowded(60_000))) },
	// Names and paths as long as texts may be, and moments in other lists' places.
	"words": func() []byte { return forged(wordy(0)) },
	// More than a message of an agent may hold.
	"elements": func() []byte { return forged(framesChunk(0, crowded(1_000_000))) },
	// Shallow lists of deep ones.
	"levels": func() []byte {
		return forged(framesChunk(0, []byte(`{"node":`+strings.Repeat("[", 2<<20)+strings.Repeat("]", 2<<20)+`}`)))
	},
	// A chunk of lines that say nothing, and one of states that say the same.
	"lines": func() []byte {
		return forged(chunkOf{'f', 0, 0, append(state(0), bytes.Repeat([]byte("0 x \n"), 8<<20/5-2000)...)})
	},
	"states": func() []byte {
		return forged(chunkOf{'f', 0, 0, bytes.Repeat(state(0), 8<<20/len(state(0)))})
	},
	// A hundred large chunks that all belong to the minute that the views look back on.
	"chunks": func() []byte {
		all := make([]chunkOf, 100)
		for i := range all {
			all[i] = framesChunk(i*10, snapshot(int64(i)*1_000_000, strings.Repeat("a", 8<<20-128<<10)))
		}
		return forged(all...)
	},
	// A terminal that prints and prints: all of it comes before the end.
	"casts": func() []byte {
		head := []byte(`0 {"version":2,"width":80,"height":24,"title":"node"}` + "\n")
		all := []chunkOf{framesChunk(0, snapshot(0, "a")), {'t', 0, 0, head}}
		line := fmt.Appendf(nil, "0 [0,\"o\",\"x\\r\\n\"]\n")
		for i := range 100 {
			all = append(all, chunkOf{'t', i, i, bytes.Repeat(line, 8<<20/len(line))})
		}
		return forged(all...)
	},
}

type chunkOf struct {
	kind       byte
	start, end int
	body       []byte
}

// forged is a file of a header and chunks.
func forged(chunks ...chunkOf) []byte {
	header, err := json.Marshal(record.Header{Lab: "sample", Step: "share", Started: golden.All()["change"][0].Now})
	check(err)
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20))
	check(err)
	file := bytes.NewBufferString(record.Magic)
	for _, c := range append([]chunkOf{{kind: 'h', body: header}}, chunks...) {
		packed := pack.EncodeAll(c.body, nil)
		head := make([]byte, 24)
		head[0] = c.kind
		for i, v := range []int{c.start, c.end, 0, len(c.body), len(packed)} {
			binary.LittleEndian.PutUint32(head[4+4*i:], uint32(v)) //nolint:gosec // sizes and times of this file
		}
		file.Write(append(head, packed...))
	}
	return file.Bytes()
}

// state is a line of a golden state, without a snapshot.
func state(ms int) []byte {
	f := golden.All()["change"][0]
	f.Snapshot, f.Moments = nil, nil
	f.Session.Lab, f.Session.Step = "sample", "share"
	text, err := json.Marshal(f)
	check(err)
	return fmt.Appendf(nil, "%d f %s\n", ms, text)
}

// framesChunk is a state and its snapshot.
func framesChunk(ms int, snapshot []byte) chunkOf {
	return chunkOf{'f', ms, ms, fmt.Appendf(state(ms), "%d s %s\n", ms, snapshot)}
}

// snapshot is a golden one of a time, in µs, and of an agent of that name.
func snapshot(at int64, agent string) []byte {
	s := *golden.All()["change"][0].Snapshot
	s.Time, s.Agent = at, agent
	text, err := json.Marshal(s)
	check(err)
	return text
}

// wordy is a state whose moments have long names, and a snapshot whose things have.
func wordy(ms int) chunkOf {
	long := strings.Repeat("long ", 3000)
	f := golden.All()["change"][0]
	s := *f.Snapshot
	f.Snapshot, f.Session.Lab, f.Session.Step = nil, "sample", "share"
	f.Moments = many(200, sandbox.Moment{Source: sandbox.SourceKernel, Kind: sandbox.MomentExec, PID: 1, Name: long, Path: long[:300], Time: s.Time}, func(m *sandbox.Moment, i int) { m.Seq = uint64(i) }) //nolint:gosec // a count
	s.Processes = many(100, s.Processes[0], func(p *sandbox.Process, i int) { p.PID, p.PPID, p.Name, p.Args = 1000+i, 999+i, long, []string{long} })
	c := s.Containers[0]
	s.Containers = many(50, c, func(c *sandbox.Container, i int) {
		c.ID, c.Name, c.Image, c.Pod, c.Kind = fmt.Sprint(long, i), long, long, "", sandbox.KindPlain
	})
	state, err := json.Marshal(f)
	check(err)
	text, err := json.Marshal(s)
	check(err)
	return chunkOf{'f', ms, ms, fmt.Appendf(nil, "%d f %s\n%d s %s\n", ms, state, ms, text)}
}

// crowded is a snapshot with n things in every list of it, within a chunk's size all together.
func crowded(n int) []byte {
	s := *golden.All()["change"][0].Snapshot
	each := n / 12
	s.Processes = many(each, sandbox.Process{Name: "sleep", State: "S"}, func(p *sandbox.Process, i int) { p.PID, p.PPID = 1000+i, 999+i }) // one below the other
	s.Processes[100].PPID = 1200                                                                                                            // in a circle
	s.Processes[0].Threads = many(each, sandbox.Thread{Name: "t"}, func(t *sandbox.Thread, i int) { t.TID = i })
	s.Processes[0].Args = make([]string, each)
	c := s.Containers[len(s.Containers)-1]
	c.Layers = append(many(each, c.Layers[0], func(*sandbox.Layer, int) {}), sandbox.Layer{Writable: true,
		Changes: many(each, sandbox.Change{Kind: sandbox.ChangeAdded}, func(x *sandbox.Change, i int) { x.Path = fmt.Sprint(i) })})
	c.Mounts = many(each, sandbox.Mount{Volume: "v"}, func(m *sandbox.Mount, i int) { m.Path = fmt.Sprint(i) })
	s.Containers = many(each, c, func(c *sandbox.Container, i int) {
		if c.ID, c.Pod, c.Name = fmt.Sprint("c", i), "", fmt.Sprint("c", i); i > 0 {
			c.Layers, c.Mounts, c.Kind = nil, nil, sandbox.KindPlain
		}
	})
	net := s.Networks[0]
	net.Sockets = many(each, sandbox.Socket{Proto: "unix", State: "ESTABLISHED"}, func(k *sandbox.Socket, i int) { k.Inode, k.Peer = uint64(i), uint64(i^1) }) //nolint:gosec // a count
	net.Routes = make([]sandbox.Route, each)
	s.Networks = many(each, net, func(n *sandbox.Network, i int) {
		if n.Owner = fmt.Sprint("c", i); i > 0 {
			n.Sockets, n.Routes, n.Interfaces = nil, nil, nil
		}
	})
	s.Volumes = many(each, s.Volumes[0], func(v *sandbox.Volume, i int) { v.Name, v.Files = fmt.Sprint(i), nil })
	s.IPC = many(each, sandbox.IPCObject{Kind: "shm", NS: s.Node.NS.IPC}, func(o *sandbox.IPCObject, i int) { o.ID = i })
	s.Terminals = make([]sandbox.TerminalStatus, each)
	text, err := json.Marshal(s)
	check(err)
	return text
}

func many[T any](n int, like T, change func(*T, int)) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = like
		change(&all[i], i)
	}
	return all
}
