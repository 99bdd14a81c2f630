package observe

import (
	"bytes"
	"strconv"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// parseUnix reads the sockets that have a name from /proc/PID/net/unix (proc_pid_net(5)).
func parseUnix(b []byte, limit int) (all []sandbox.Socket, more bool) {
	const acceptsFlag = 1 << 16 // __SO_ACCEPTCON
	first := true
	for line := range bytes.Lines(b) {
		if first { // column titles
			first = false
			continue
		}
		words, name := cutFields(bytes.TrimSuffix(line, []byte{'\n'}), 7)
		if len(name) == 0 {
			continue
		}
		if len(all) == limit {
			return all, true
		}
		flags, err := strconv.ParseUint(string(words[3]), 16, 32)
		if err != nil {
			continue
		}
		state := "UNCONN"
		switch {
		case flags&acceptsFlag != 0:
			state = "LISTEN"
		case string(words[5]) == "03":
			state = "ESTABLISHED"
		}
		all = append(all, sandbox.Socket{
			Proto: "unix", Local: text.Clean(string(name), maxName), State: state, Inode: number(words[6]),
		})
	}
	return all, false
}

// cutFields takes n words off a line; rest is what follows them, which may hold spaces of its own. Both are empty when the line has
// fewer.
func cutFields(line []byte, n int) (words [][]byte, rest []byte) {
	rest = line
	for range n {
		rest = bytes.TrimLeft(rest, " ")
		end := bytes.IndexByte(rest, ' ')
		if end < 0 {
			return nil, nil
		}
		words = append(words, rest[:end])
		rest = rest[end+1:]
	}
	return words, rest
}
