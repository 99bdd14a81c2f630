// Package text makes what comes out of a node fit to be shown: names of processes, files, sockets, interfaces are a learner's.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean returns s as valid UTF-8 of at most limit bytes without anything that could move a cursor, reorder or hide text. ASCII
// control characters become their pictures (U+2400 and on), so that a line break in an argument still shows as ␊; invalid bytes,
// other control and format characters and line separators become U+FFFD.
func Clean(s string, limit int) string {
	if len(s) <= limit && isPlain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		r = shown(r)
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// isPlain is the quick way out for almost every string.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func shown(r rune) rune {
	switch {
	case r < ' ':
		return '\u2400' + r
	case r == 0x7f:
		return '\u2421'
	case r < 0x7f:
		return r
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co):
		return utf8.RuneError
	}
	return r
}
