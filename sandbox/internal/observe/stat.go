package observe

import (
	"bytes"
	"errors"
	"strconv"
)

// stat is what is needed of /proc/PID/stat (proc_pid_stat(5)).
type stat struct {
	name       string
	state      byte
	ppid       int
	threads    int
	start      uint64 // clock ticks since boot
	rss        int64  // pages
	startStack uint64 // these two change with every exec: the kernel puts them at random addresses
	argStart   uint64
}

var errFormat = errors.New("observe: not the expected format")

// parseStat reads the line. The name is in parentheses and may hold anything, parentheses and spaces too.
func parseStat(b []byte) (s stat, err error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || end+2 > len(b) {
		return s, errFormat
	}
	s.name = string(b[open+1 : end])
	const first = 3 // number of the field after the name
	field := first
	for word := range bytes.FieldsSeq(b[end+1:]) {
		switch field {
		case 3:
			s.state = word[0]
		case 4:
			s.ppid = int(number(word))
		case 20:
			s.threads = int(number(word))
		case 22:
			s.start = number(word)
		case 24:
			s.rss = int64(number(word))
		case 28:
			s.startStack = number(word)
		case 48:
			s.argStart = number(word)
		}
		field++
	}
	if field <= 24 {
		return s, errFormat
	}
	return s, nil
}

// number reads a decimal number, 0 when it is none.
func number(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<63/10 {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

// signed reads a decimal number that may be negative, 0 when it is none.
func signed(b []byte) int64 {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
