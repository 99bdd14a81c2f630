package engine

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// attached is what an attachment from the start gets on each stream, and how the run ended.
func (b *bench) attached(id string, begun func()) (out, errs string, exit sandbox.Exit) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), sandboxtest.Within(20e9))
	defer cancel()
	var stdout, stderr bytes.Buffer
	wait, err := b.Attach(ctx, sandbox.AttachSpec{Container: id, FromStart: true}, sandbox.Streams{Out: &stdout, Err: &stderr})
	if err != nil {
		b.t.Fatal(err)
	}
	begun()
	if exit, err = wait(); err != nil {
		b.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), exit
}

// TestAttachFromTheStart: who attaches to a container that has printed already, and will end soon, gets all of it once: whole lines, a part of
// one, and what comes after, of a container that nothing is typed into, too.
func TestAttachFromTheStart(t *testing.T) {
	b := open(t)
	for _, more := range [][]string{nil, {`"stdin":true`, `"stdinOnce":true`}} {
		name := fmt.Sprint("p", len(more))
		b.apply(pod(name, `"restartPolicy":"Never"`,
			sh("a", "for i in $(seq 1 2000); do printf '%0200d\\n' $i; done; echo wrong >&2; printf 'part of'; while [ ! -e /go ]; do sleep 0.02; done; echo ' a line'; exit 3", more...)))
		id := name + "/a"
		b.running(id)
		b.eventually("its output", func() bool { return strings.Contains(b.log(id, sandbox.LogOptions{}), "wrong\n") })
		out, errs, exit := b.attached(id, func() { b.run(id, "touch", "/go") })
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if len(lines) != 2001 || lines[0] != fmt.Sprintf("%0200d", 1) || lines[1999] != fmt.Sprintf("%0200d", 2000) || lines[2000] != "part of a line" || errs != "wrong\n" || exit.Code != 3 {
			t.Errorf("%s: %d lines, from %q to %q; %q; %+v", id, len(lines), lines[0], lines[len(lines)-1], errs, exit)
		}
	}
}
