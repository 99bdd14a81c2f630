package terminal

import (
	"bytes"
	"strconv"
	"strings"
)

// Mode is what earlier output set and later output relies on. It lies in the ring's header as JSON.
type Mode struct {
	Private  uint64    `json:"private,omitempty"`  // bit i: privateModes[i] differs from its default
	Insert   bool      `json:"insert,omitempty"`   // IRM
	Keypad   bool      `json:"keypad,omitempty"`   // DECKPAM
	Charsets [2]byte   `json:"charsets,omitempty"` // G0 and G1: 0 is ASCII, '0' line drawing
	Shift    bool      `json:"shift,omitempty"`    // G1 is in use (SO)
	Margins  [2]uint16 `json:"margins,omitempty"`  // DECSTBM; 0 0 is the whole screen
	Cursor   uint8     `json:"cursor,omitempty"`   // DECSCUSR
	Style    Style     `json:"style,omitzero"`     // SGR
}

// Style is the rendition of the characters to come (SGR).
type Style struct {
	Flags uint16 `json:"flags,omitempty"` // bit n: attribute n, 1 bold … 9 crossed out
	Fore  string `json:"fore,omitempty"`  // as in SGR: "31", "38;5;208"
	Back  string `json:"back,omitempty"`
}

// privateModes are the DEC and xterm modes that are restored, each with its default.
var privateModes = [...]struct {
	number int
	on     bool
}{
	{1, false}, {5, false}, {6, false}, {7, true}, {9, false}, {12, false}, {25, true}, {47, false}, {66, false}, {1000, false}, {1002, false},
	{1003, false}, {1004, false}, {1005, false}, {1006, false}, {1015, false}, {1016, false}, {1047, false}, {1049, false}, {2004, false},
}

// apply takes note of what one token changes.
func (m *Mode) apply(tok []byte) {
	switch {
	case len(tok) == 0:
	case tok[0] == 0x0e:
		m.Shift = true
	case tok[0] == 0x0f:
		m.Shift = false
	case tok[0] == esc && len(tok) == 2:
		m.applyEscape(tok[1])
	case tok[0] == esc && len(tok) == 3 && (tok[1] == '(' || tok[1] == ')'):
		m.Charsets[tok[1]-'('] = charset(tok[2])
	case tok[0] == esc && len(tok) > 2 && tok[1] == '[':
		m.applyControl(tok[2:len(tok)-1], tok[len(tok)-1])
	}
}

func (m *Mode) applyEscape(c byte) {
	switch c {
	case '=':
		m.Keypad = true
	case '>':
		m.Keypad = false
	case 'c': // RIS
		*m = Mode{}
	}
}

func charset(c byte) byte {
	if c == '0' {
		return c
	}
	return 0
}

func (m *Mode) applyControl(params []byte, final byte) {
	private := bytes.HasPrefix(params, []byte("?"))
	switch {
	case (final == 'h' || final == 'l') && private:
		for _, n := range numbers(params[1:]) {
			m.setPrivate(n, final == 'h')
		}
	case final == 'h' || final == 'l':
		for _, n := range numbers(params) {
			if n == 4 {
				m.Insert = final == 'h'
			}
		}
	case final == 'r' && !private:
		m.setMargins(numbers(params))
	case final == 'q' && bytes.HasSuffix(params, []byte(" ")):
		if n := numbers(params[:len(params)-1]); len(n) == 1 && n[0] <= 6 {
			m.Cursor = uint8(n[0])
		}
	case final == 'p' && string(params) == "!": // DECSTR
		alternate := m.Private & (bit(47) | bit(1047) | bit(1049))
		*m = Mode{Private: alternate}
	case final == 'm' && !private && !bytes.HasPrefix(params, []byte(">")):
		m.Style.apply(string(params))
	}
}

func (m *Mode) setMargins(n []int) {
	m.Margins = [2]uint16{}
	if len(n) == 2 && n[0] < n[1] && n[1] <= 1000 {
		m.Margins = [2]uint16{uint16(n[0]), uint16(n[1])}
	}
}

// bit returns the bit of a private mode, 0 when it is not one of privateModes.
func bit(number int) uint64 {
	for i, mode := range privateModes {
		if mode.number == number {
			return 1 << i
		}
	}
	return 0
}

func (m *Mode) setPrivate(number int, on bool) {
	for i, mode := range privateModes {
		if mode.number != number {
			continue
		}
		m.Private &^= 1 << i
		if on != mode.on {
			m.Private |= 1 << i
		}
	}
}

// numbers reads "1;2" into its parts; an empty or bad part is 0, and no more than 32 are read.
func numbers(params []byte) []int {
	var out []int
	for part := range strings.SplitSeq(string(params), ";") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			n = 0
		}
		out = append(out, n)
		if len(out) == 32 {
			break
		}
	}
	return out
}

func (s *Style) apply(params string) {
	parts := strings.Split(params, ";")
	for i := 0; i < len(parts) && i < 32; i++ {
		n, _ := strconv.Atoi(parts[i])
		switch {
		case strings.HasPrefix(parts[i], "38:"), strings.HasPrefix(parts[i], "48:"):
			s.colour(parts[i])
		case n == 38 || n == 48:
			width := 0
			if i+1 < len(parts) {
				width = map[string]int{"5": 2, "2": 4}[parts[i+1]]
			}
			if width == 0 || i+width >= len(parts) {
				return
			}
			s.colour(strings.Join(parts[i:i+width+1], ";"))
			i += width
		case n == 0:
			*s = Style{}
		case n >= 1 && n <= 9:
			s.Flags |= 1 << n
		case n == 22:
			s.Flags &^= 1<<1 | 1<<2
		case n == 25:
			s.Flags &^= 1<<5 | 1<<6
		case n >= 23 && n <= 29:
			s.Flags &^= 1 << (n - 20)
		case n >= 30 && n <= 37, n >= 90 && n <= 97:
			s.Fore = strconv.Itoa(n)
		case n >= 40 && n <= 47, n >= 100 && n <= 107:
			s.Back = strconv.Itoa(n)
		case n == 39:
			s.Fore = ""
		case n == 49:
			s.Back = ""
		}
	}
}

// colour keeps an indexed or direct colour as it was written, if it is short and made of digits and separators.
func (s *Style) colour(text string) {
	if len(text) > 24 || strings.Trim(text, "0123456789:;") != "" {
		return
	}
	if text[0] == '3' {
		s.Fore = text
	} else {
		s.Back = text
	}
}

// prefix is output that brings a terminal that was just reset into this mode.
func (m *Mode) prefix() []byte {
	var b bytes.Buffer
	for i, mode := range privateModes {
		if m.Private&(1<<i) == 0 {
			continue
		}
		final := byte('h')
		if mode.on {
			final = 'l'
		}
		b.WriteString("\x1b[?" + strconv.Itoa(mode.number) + string(final))
	}
	if m.Insert {
		b.WriteString("\x1b[4h")
	}
	if m.Keypad {
		b.WriteString("\x1b=")
	}
	if m.Margins[1] != 0 {
		b.WriteString("\x1b[" + strconv.Itoa(int(m.Margins[0])) + ";" + strconv.Itoa(int(m.Margins[1])) + "r")
	}
	for i, set := range m.Charsets {
		if set == '0' {
			b.WriteString("\x1b" + string("()"[i]) + "0")
		}
	}
	if m.Shift {
		b.WriteByte(0x0e)
	}
	if m.Cursor != 0 {
		b.WriteString("\x1b[" + strconv.Itoa(int(m.Cursor)) + " q")
	}
	b.WriteString(m.Style.sequence())
	return b.Bytes()
}

func (s Style) sequence() string {
	if s == (Style{}) {
		return ""
	}
	parts := []string{}
	for n := 1; n <= 9; n++ {
		if s.Flags&(1<<n) != 0 {
			parts = append(parts, strconv.Itoa(n))
		}
	}
	for _, colour := range []string{s.Fore, s.Back} {
		if colour != "" {
			parts = append(parts, colour)
		}
	}
	return "\x1b[" + strings.Join(parts, ";") + "m"
}

// fullScreen says whether the alternate screen is on.
func (m *Mode) fullScreen() bool { return m.Private&(bit(47)|bit(1047)|bit(1049)) != 0 }
