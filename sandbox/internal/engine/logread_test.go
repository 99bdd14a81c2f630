package engine

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
)

// TestLogReaderAtRotation: a reader that lags behind by a whole file misses nothing of what is still kept.
func TestLogReaderAtRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "1.log")
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := 0
	add := func(lines int) {
		for range lines {
			n++
			l.write(appendEntry(nil, time.Now(), "stdout", fmt.Appendf(nil, "%d\n", n)))
		}
	}
	rotate := func() {
		if err := l.rotate(); err != nil {
			t.Fatal(err)
		}
	}
	r := &logReader{path: path, text: newLogText(sandbox.LogOptions{})}
	defer r.close()
	var got []string
	read := func() {
		t.Helper()
		text, err := r.more()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Fields(string(text))...)
		if len(got) != n || got[n-1] != fmt.Sprint(n) {
			t.Fatalf("%d of %d lines: %v", len(got), n, got)
		}
	}
	add(2)
	rotate()
	add(2)
	read() // both files from the beginning
	add(2)
	rotate()
	add(2)
	read() // what was added to the open file before it was replaced
	add(2)
	rotate()
	add(2)
	rotate()
	add(2)
	read() // the open file is gone by now; the two that are kept follow
	rotate()
	read()
	add(1)
	read()
}
