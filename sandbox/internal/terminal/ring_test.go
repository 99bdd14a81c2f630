package terminal

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

func TestTokens(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"ab\ncd", []string{"ab\n", "cd"}},
		{"a\x1b[1;31mb", []string{"a", "\x1b[1;31m", "b"}},
		{"\x1b]0;t\x07x", []string{"\x1b]0;t\x07", "x"}},
		{"\x1b]0;t\x1b\\x", []string{"\x1b]0;t\x1b\\", "x"}},
		{"\x1bP$q\x1b\\", []string{"\x1bP$q\x1b\\"}},
		{"\x1b(0\x0e", []string{"\x1b(0", "\x0e"}},
		{"\x1b[2\x1b[3m", []string{"\x1b[2", "\x1b[3m"}},
		{"\x1b\x1bc", []string{"\x1b", "\x1bc"}},
		{"\x1b[12", nil},
		{"\x1b]unfinished", nil},
		{"\x1b", nil},
	} {
		var got []string
		src := []byte(c.in)
		for n := token(src); n > 0; n = token(src) {
			got = append(got, string(src[:n]))
			src = src[n:]
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestReplayOnlyDraws(t *testing.T) {
	for _, ask := range []string{
		"\x05", "\x1bZ", "\x1b[c", "\x1b[>c", "\x1b[0c", "\x1b[6n", "\x1b[?6n", "\x1b[x", "\x1b[18t", "\x1b[?25$p", "\x1b]11;?\x07", "\x1b]4;1;?\x1b\\",
		"\x1b]52;c;?\x07", "\x1b]52;c;aGk=\x07", "\x07", "\x1b]9;hi\x1b\\", "\x1b]777;notify;a;b\x07", "\x1bP$qm\x1b\\", "\x1bP+q544e\x1b\\", "\x1b[?u", "\x1b[>q",
	} {
		r := filled(t, "one"+ask+"two")
		if got := string(r.replay()); got != "\x1bconetwo" {
			t.Errorf("%q: replay %q", ask, got)
		}
	}
	for _, keep := range []string{"\x1b[31m", "\x1b[2J", "\x1b[?1049h", "\x1b]8;;http://x\x07", "\x1b[1 q", "\x1b[!p", "\x1b[u"} {
		r := filled(t, "one"+keep+"two")
		if got := string(r.replay()); !strings.Contains(got, keep) {
			t.Errorf("%q is missing in %q", keep, got)
		}
	}
}

func filled(t *testing.T, text string) *ring {
	t.Helper()
	r, err := newRing(label{ID: "t", Target: "node", PID: 5, Start: 9})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.close() })
	put(r, []byte(text))
	return r
}

func put(r *ring, text []byte) {
	for len(text) > 0 {
		n := copy(r.space(), text)
		r.wrote(n)
		text = text[n:]
	}
}

func TestModesOutliveTheRing(t *testing.T) {
	r := filled(t, "\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[2;20r\x1b(0\x1b[1;38;5;208m\x1b=")
	line := strings.Repeat("中文 text ", 20) + "\r\n"
	for range 4000 {
		put(r, []byte(line))
	}
	if r.head()-r.tail > ringSize {
		t.Fatalf("ring holds %d bytes", r.head()-r.tail)
	}
	got := r.replay()
	want := "\x1bc\x1b[?25l\x1b[?1049h\x1b[?2004h\x1b=\x1b[2;20r\x1b(0\x1b[1;38;5;208m"
	if !bytes.HasPrefix(got, []byte(want)) {
		t.Errorf("replay begins %q, want %q", got[:len(want)+10], want)
	}
	if !utf8.Valid(got) {
		t.Error("replay is cut inside a character")
	}
	if rest := got[len(want):]; !bytes.HasPrefix(rest, []byte("中")) {
		t.Errorf("replay does not begin at a line: %q", rest[:30])
	}
	// The same from the descriptor alone, as after the agent was killed.
	again, err := openRing(dup(t, r.file))
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	if !bytes.Equal(again.replay(), got) || again.label != r.label {
		t.Error("the ring opened again shows something else")
	}
}

func TestEndlessSequenceIsCut(t *testing.T) {
	r := filled(t, "\x1b]52;c;")
	put(r, bytes.Repeat([]byte("A"), 3*ringSize))
	if r.head()-r.tail > ringSize {
		t.Fatalf("ring holds %d bytes", r.head()-r.tail)
	}
}

func TestForgedRings(t *testing.T) {
	plain, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.Truncate(headerSize + ringSize); err != nil {
		t.Fatal(err)
	}
	if _, err := openRing(plain); err == nil {
		t.Error("a plain file was taken for a ring")
	}
	for _, at := range []int{0, 8, labelAt, slotAt + 8, slotAt + slotSize + 8} {
		r := filled(t, "text")
		for i := range 8 {
			r.mem[at+i] = 0xff
		}
		if _, err := openRing(dup(t, r.file)); err == nil && at != slotAt+8 && at != slotAt+slotSize+8 {
			t.Errorf("damage at %d was not seen", at)
		}
	}
}

func dup(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := dupFD(f)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "dup")
}

func FuzzRing(f *testing.F) {
	f.Add([]byte("a\x1b[1;31mb\n"), 3)
	f.Fuzz(func(t *testing.T, text []byte, times int) {
		r, err := newRing(label{ID: "f"})
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		for range times & 0xff {
			put(r, text)
		}
		if r.head()-r.tail > ringSize {
			t.Fatalf("ring holds %d bytes", r.head()-r.tail)
		}
		r.replay()
		r.now()
	})
}

func BenchmarkRing(b *testing.B) {
	r, err := newRing(label{ID: "b"})
	if err != nil {
		b.Fatal(err)
	}
	defer r.close()
	chunk := bytes.Repeat([]byte("\x1b[32mroot@node\x1b[0m:~# ls -la /proc/self/ns and more of it\r\n"), 64)
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		put(r, chunk)
	}
}

func dupFD(f *os.File) (int, error) { return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0) }
