package text

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"nginx: master process", "nginx: master process"},
		{"a\nb\x1b[31m\x7f", "a␊b␛[31m␡"},
		{"\xff\xfe", "\uFFFD\uFFFD"},
		{"你好", "你好"},
		{"a\u202eb\u200bc\u2028d\u0085", "a\uFFFDb\uFFFDc\uFFFDd\uFFFD"},
	} {
		if got := Clean(c.in, 255); got != c.want {
			t.Errorf("Clean(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestCleanCutsBetweenCharacters(t *testing.T) {
	got := Clean(strings.Repeat("你", 100), 16)
	if got != strings.Repeat("你", 5) {
		t.Errorf("got %q", got)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\n\xff\u202e", 8)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit &= 0xff
		got := Clean(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\n\r\x1b\x7f\u202e\u2028") {
			t.Errorf("Clean(%q, %d) = %q", s, limit, got)
		}
	})
}
