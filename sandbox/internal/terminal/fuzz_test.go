package terminal

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzReplay feeds a terminal's ring any output, and reads what a browser that attaches later is sent with a parser of its own kind: it
// must do nothing but draw.
func FuzzReplay(f *testing.F) {
	for _, seed := range []string{
		"one\x1b[31mtwo\x1b[0m\r\n", "\x1b]0;title\x07$ ", "\x1b[?1049h\x1b[2J\x1b[H~\r\n~", "\x1b(0lqk\x1b(B", "\x1b[38;2;1;2;3mx\x1b[48:5:20my",
		"\x1b[6n", "\x1b\x1b[6nZ", "\x1b[\x1b[6n6n", "\x1b(\x1b[6n", "\x1b\n[6n", "\x1b[1\x07m", "\xc2\x9b6n", "\x1b]0;x\xc2\x9b6n\x07", "\x1b[\xc2\x9b>q",
		"\xc2\x1b[6n\x9b6n", "\x1b[" + strings.Repeat("0", 2000) + "31m", "\x1bP+q544e\x1b\\", "\x1b]11;?\x1b\\", "\x1b]52;c;aGk=\x07", "\x1b[5;10r", "\x1b[>c\x1b[?u",
		"\x1b]\u009bx", "\x1b[1\x07", "\x1b[\x05", "\x1bP\u009b6n",
	} {
		f.Add([]byte(seed), 3, false)
		f.Add([]byte(seed), 7, true)
	}
	f.Fuzz(func(t *testing.T, output []byte, step int, turn bool) {
		if turn { // it lies across the end of the ring, and what came first is trimmed
			output = append(bytes.Repeat(append(output, "0123456789abcde\n"...), 2*ringSize/(len(output)+16)), output...)
			step |= 1 << 12
		}
		r := fuzzed(t, output, step)
		replay := r.replay()
		for _, did := range acts(replay) {
			t.Errorf("the replay of %q does %q", tail(output), did)
		}
		mode := r.now()
		for _, did := range acts(mode.prefix()) {
			t.Errorf("the mode after %q does %q", tail(output), did)
		}
		again := &ring{mem: r.mem, data: r.data}
		if err := again.load(); err != nil || again.mode != r.mode || again.tail != r.tail {
			t.Errorf("read again: %v, %+v, was %+v", err, again.mode, r.mode)
		}
	})
}

// fuzzed is a ring that was given output in pieces.
func fuzzed(t *testing.T, output []byte, step int) *ring {
	t.Helper()
	r, err := newRing(label{ID: "fuzz"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.close() })
	step = max(1, step&0x7fff)
	if len(output) > 64*step {
		step = len(output)/64 + 1
	}
	for len(output) > 0 {
		n := copy(r.space(), output[:min(step, len(output))])
		r.wrote(n)
		output = output[n:]
	}
	return r
}

func tail(b []byte) []byte { return b[max(0, len(b)-200):] }

// acts are the sequences in some output that do more than draw, as xterm.js understands it: Paul Williams' state machine for VT500 with C1
// controls as code points, as of https://vt100.net/emu/dec_ansi_parser.
func acts(output []byte) (found []string) {
	p := &vt{}
	for _, c := range string(output) { // a byte that is no UTF-8 is U+FFFD there too
		p.take(c)
	}
	return p.found
}

type vt struct {
	state rune // 0 ground, ESC, '[' control sequence, '!' one that is ignored, or what began a string
	seq   strings.Builder
	found []string
}

func (p *vt) begin(state rune) {
	p.state = state
	p.seq.Reset()
}

func (p *vt) take(c rune) {
	if p.state == 0 && c >= ' ' && c < 0x7f { // most of it
		return
	}
	inString := strings.ContainsRune("]PX^_", p.state)
	if inString && (c == 0x1b || c == 0x9c || c == 0x07 && p.state == ']') {
		p.finish()
	}
	switch {
	case c == 0x18 || c == 0x1a:
		p.begin(0)
	case c == 0x1b:
		p.begin(0x1b)
	case c >= 0x80 && c <= 0x9f:
		p.begin(map[rune]rune{0x90: 'P', 0x98: 'X', 0x9b: '[', 0x9d: ']', 0x9e: '^', 0x9f: '_'}[c])
		if c == 0x9a { // DECID
			p.found = append(p.found, "DECID")
		}
	case inString:
		if p.state != 0 {
			p.seq.WriteRune(c)
		}
	case c < 0x20:
		if c == 0x05 || c == 0x07 {
			p.found = append(p.found, "control "+string(c))
		}
	case p.state == 0x1b:
		p.escape(c)
	case p.state == '[':
		p.control(c)
	}
}

func (p *vt) escape(c rune) {
	switch {
	case p.seq.Len() == 0 && strings.ContainsRune("[]PX^_", c):
		p.begin(c)
	case c >= 0x20 && c <= 0x2f:
		p.seq.WriteRune(c)
	default:
		if c == 'Z' && p.seq.Len() == 0 {
			p.found = append(p.found, "DECID")
		}
		p.begin(0)
	}
}

func (p *vt) control(c rune) {
	p.seq.WriteRune(c)
	if c >= 0x20 && c < 0x40 || c == 0x7f {
		return
	}
	s := strings.ReplaceAll(p.seq.String(), "\x7f", "")
	p.begin(0)
	switch {
	case c == 'c', c == 'n', c == 'x', c == 't', c == 'q' && strings.HasPrefix(s, ">"), c == 'u' && strings.HasPrefix(s, "?"), strings.HasSuffix(s, "$p"):
		p.found = append(p.found, "CSI "+s)
	}
}

// finish ends a string.
func (p *vt) finish() {
	s, kind := p.seq.String(), p.state
	p.begin(0)
	number, rest, _ := strings.Cut(s, ";")
	switch {
	case kind == 'P' && (strings.HasPrefix(s, "$") || strings.HasPrefix(s, "+")):
	case kind == ']' && (number == "9" || number == "52" || number == "99" || number == "777" || number == "1337"):
	case kind == ']' && (rest == "?" || strings.HasSuffix(rest, ";?") || strings.Contains(rest, ";?;") || strings.HasPrefix(rest, "?;")):
	default:
		return
	}
	p.found = append(p.found, string(kind)+s)
}
