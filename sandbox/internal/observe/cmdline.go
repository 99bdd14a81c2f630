package observe

import (
	"bytes"

	"podlab/sandbox/text"
)

// parseCmdline splits /proc/PID/cmdline, cut at maxArgsBytes and maxArgs. A program that writes its own title may leave out the
// closing zero and fill the rest with zeros.
func parseCmdline(b []byte) []string {
	b = bytes.TrimRight(b[:min(len(b), maxArgsBytes)], "\x00")
	args := []string{}
	if len(b) == 0 {
		return args
	}
	for arg := range bytes.SplitSeq(b, []byte{0}) {
		if len(args) == maxArgs {
			break
		}
		args = append(args, text.Clean(string(arg), maxArgsBytes))
	}
	return args
}
