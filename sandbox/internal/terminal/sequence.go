package terminal

import (
	"bytes"
	"unicode/utf8"
)

// maxText bounds one token of plain text, so that a safe place to cut is never far.
const maxText = 512

const esc = 0x1b

// token takes the first complete piece off src: a run of text that ends after a line feed at the latest, one control
// character, or one whole escape sequence (ECMA-48 §5.4, §8.3.89; xterm's OSC ended by BEL). It returns 0 when src ends before
// the sequence does.
func token(src []byte) int {
	switch {
	case len(src) == 0:
		return 0
	case src[0] == esc:
		return sequence(src)
	case src[0] < ' ' && src[0] != '\n' && src[0] != '\r' && src[0] != '\t':
		return 1
	case isC1(src):
		return 2
	}
	return text(src)
}

// isC1 reports whether src begins with a C1 control character in UTF-8. To a terminal U+009B is what ESC [ is, and so on.
func isC1(src []byte) bool { return len(src) > 1 && src[0] == 0xc2 && src[1] >= 0x80 && src[1] <= 0x9f }

func text(src []byte) int {
	n := 0
	for n < len(src) {
		c := src[n]
		if c == '\n' {
			return n + 1
		}
		if c == esc || c < ' ' && c != '\r' && c != '\t' || isC1(src[n:]) {
			return n
		}
		if n >= maxText && utf8.RuneStart(c) {
			return n
		}
		n++
	}
	return n
}

func sequence(src []byte) int {
	if len(src) < 2 {
		return 0
	}
	switch c := src[1]; {
	case c == '[':
		return controlSequence(src)
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		return controlString(src)
	case c >= 0x20 && c <= 0x2f:
		for i := 2; i < len(src); i++ {
			if src[i] < 0x20 || src[i] > 0x7e {
				return i
			}
			if src[i] > 0x2f {
				return i + 1
			}
		}
		return 0
	case c < 0x20 || c > 0x7e: // such as a second ESC, by which the first one is cut short
		return 1
	}
	return 2
}

func controlSequence(src []byte) int {
	for i := 2; i < len(src); i++ {
		switch c := src[i]; {
		case c >= 0x40 && c <= 0x7e, c == 0x18, c == 0x1a:
			return i + 1
		case c == esc:
			return i
		}
	}
	return 0
}

func controlString(src []byte) int {
	for i := 2; i < len(src); i++ {
		switch src[i] {
		case 0x07, 0x18, 0x1a:
			return i + 1
		case esc:
			if i+1 == len(src) {
				return 0
			}
			if src[i+1] == '\\' {
				return i + 2
			}
			return i
		}
	}
	return 0
}

// live says whether a token is only for the moment it was printed. One that makes a terminal answer would, replayed, type the
// answer into the program; one that rings, notifies or fills the clipboard would do so again. One that is not whole draws nothing, and
// would begin what stands behind it once the tokens between are left out.
func live(tok []byte) bool {
	if len(tok) == 1 {
		return tok[0] == 0x05 || tok[0] == 0x07 || tok[0] == esc // ENQ, BEL
	}
	if tok[0] != esc {
		return isC1(tok)
	}
	if !whole(tok) {
		return true
	}
	last := tok[len(tok)-1]
	switch tok[1] {
	case 'Z': // DECID
		return true
	case '[': // DA, DSR, DECREQTPARM, window reports, DECRQM, kitty keyboard query
		return last == 'c' || last == 'n' || last == 'x' || last == 't' || last == 'p' && hasIntermediate(tok, '$') || last == 'u' && tok[2] == '?' ||
			last == 'q' && tok[2] == '>'
	case ']', 'P': // any query of a colour or the clipboard; clipboard and notifications; DECRQSS, XTGETTCAP
		return tok[1] == 'P' && len(tok) > 3 && (tok[2] == '$' || tok[2] == '+') || tok[1] == ']' && (hasQuery(tok) || isCommand(tok))
	}
	return false
}

// whole reports whether an escape sequence is as ECMA-48 has it: every terminal reads it in the same way, to its end and no further.
func whole(tok []byte) bool {
	switch tok[1] {
	case '[':
		return len(tok) > 2 && between(tok[2:len(tok)-1], 0x20, 0x3f) && between(tok[len(tok)-1:], 0x40, 0x7e)
	case ']', 'P', 'X', '^', '_':
		text, ended := bytes.CutSuffix(tok[2:], []byte("\x1b\\"))
		if !ended && tok[1] == ']' {
			text, ended = bytes.CutSuffix(text, []byte("\a"))
		}
		return ended && plain(text)
	}
	return between(tok[1:len(tok)-1], 0x20, 0x2f) && between(tok[len(tok)-1:], 0x30, 0x7e)
}

// begun reports whether an escape sequence without its end is as ECMA-48 has it so far: every terminal waits for the rest, and does nothing.
func begun(tok []byte) bool {
	if len(tok) < 2 {
		return true
	}
	switch tok[1] {
	case '[':
		return between(tok[2:], 0x20, 0x3f)
	case ']', 'P', 'X', '^', '_':
		return plain(tok[2:]) // ESC, the first half of what ends it, has its command done already
	}
	return between(tok[1:], 0x20, 0x2f)
}

// plain reports whether no control character is in a text.
func plain(text []byte) bool {
	for i := range text {
		if text[i] < ' ' || text[i] == 0x7f || isC1(text[i:]) {
			return false
		}
	}
	return true
}

func between(text []byte, least, most byte) bool {
	for _, c := range text {
		if c < least || c > most {
			return false
		}
	}
	return true
}

func hasIntermediate(tok []byte, c byte) bool { return len(tok) > 2 && tok[len(tok)-2] == c }

// isCommand knows the OSC numbers that act on the desktop: notification (9, 99, 777), clipboard (52), iTerm2's (1337).
func isCommand(tok []byte) bool {
	number, _, _ := bytes.Cut(tok[2:], []byte(";"))
	switch string(number) {
	case "9", "52", "99", "777", "1337":
		return true
	}
	return false
}

// hasQuery finds a parameter that is "?" alone, as in OSC 11;? ST.
func hasQuery(tok []byte) bool {
	for i := 2; i+1 < len(tok); i++ {
		if tok[i] == '?' && tok[i-1] == ';' && (tok[i+1] == 0x07 || tok[i+1] == esc || tok[i+1] == ';') {
			return true
		}
	}
	return false
}
