package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/text"
	"podlab/sandbox/wire"
)

// frames are two frames of the first byte's kind: what a hostile agent may answer with.
func frames(kind byte, one, two []byte) []byte {
	var b bytes.Buffer
	_ = wire.Write(&b, kind, one)
	_ = wire.Write(&b, kind, two)
	return b.Bytes()
}

// FuzzAnswers reads what an agent may send: as updates of a watch, as an answer, as a terminal's output. What comes through is bounded and
// fit to be shown.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"snapshot":{"time":1,"containers":[{"id":"web","ns":{"pid":1}}],"processes":[{"pid":1,"name":"a\u001bb"}]}}`,
		`{"moments":{"lost":1,"items":[{"source":"agent","seq":1,"kind":"pod","params":{"a":"b"}},{"source":"kernel","seq":2}]}}`,
		`{"snapshot":{"pods":[{"metadata":{"name":"x","labels":{"a":"b"}},"status":{"phase":"Running"}}],"truncated":{"processes":3}}}`,
		`{"error":{"code":"node_gone","params":{"reason":"init_ended"}}}`, `{"code":128,"signal":9}`, `{"replay":-5}`, `"\\`, `[[[[[[[[[[[[[[[[[[[[[[[[[[`,
	} {
		f.Add(wire.JSON, []byte(seed), []byte(seed))
		f.Add(wire.Exit, []byte(seed), []byte("{}"))
		f.Add(wire.Stdout, []byte(seed), []byte(""))
	}
	f.Fuzz(func(t *testing.T, kind byte, one, two []byte) {
		if len(one) > wire.MaxData || len(two) > wire.MaxData {
			return
		}
		r := bytes.NewReader(frames(kind, one, two))
		for {
			var update streamed[sandbox.Update]
			if err := update.read(t.Context(), r); err != nil {
				spoken(t, err)
				break
			}
			if update.elements > wire.MaxElements {
				t.Errorf("%d elements", update.elements)
			}
			if update.value.Snapshot != nil {
				shown(t, reflect.ValueOf(update.value.Snapshot.Processes))
				shown(t, reflect.ValueOf(update.value.Snapshot.Containers))
			}
			if m := update.value.Moments; m != nil {
				own(m)
				for _, moment := range m.Items {
					if moment.Source != sandbox.SourceAgent || len(moment.Name) > maxWord || len(moment.Params) > maxEntries {
						t.Errorf("a moment %+v", moment)
					}
				}
			}
		}
		answers(t, one)
		terminals(t, kind, one, two)
	})
}

// spoken wants an agent's own words for an error to be bounded.
func spoken(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*sandbox.Error](err)
	if !ok {
		return
	}
	if !word.MatchString(string(e.Code)) || len(e.Params) > maxEntries {
		t.Errorf("error %+v", e)
	}
	for key, value := range e.Params {
		if len(key) > maxWord || len(value) > maxWord {
			t.Errorf("error %+v", e)
		}
	}
}

// shown wants every string to be fit for a page.
func shown(t *testing.T, v reflect.Value) {
	t.Helper()
	each(v, func(s string) string {
		if len(s) > maxString || s != text.Clean(s, maxString) {
			t.Errorf("%q is shown", s)
		}
		return s
	})
}

// answers decodes an answer into what the verbs return.
func answers(t *testing.T, raw []byte) {
	t.Helper()
	for _, into := range []any{&sandbox.Snapshot{}, &[]sandbox.Applied{}, &wire.TerminalOpened{}, &[]byte{}, &sandbox.Node{}} {
		elements, err := decode(raw, into)
		if err == nil && !json.Valid(raw) {
			t.Errorf("%q was taken", raw)
		}
		if elements > wire.MaxElements+1 {
			t.Errorf("%d elements", elements)
		}
	}
}

// terminals reads a terminal to its end, which must come.
func terminals(t *testing.T, kind byte, one, two []byte) {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		_, _ = far.Write(frames(kind, one, two))
		far.Close()
	}()
	term := &terminal{conn: near, ctx: t.Context()}
	defer term.Close()
	out, err := io.ReadAll(term)
	if _, ended := term.Exit(); ended && err != nil && len(out) > 0 {
		t.Errorf("ended, and then %v", err)
	}
	if kind == wire.Stdout && !bytes.HasPrefix(append(bytes.Clone(one), two...), out) {
		t.Errorf("%q and %q came as %q", one, two, out)
	}
}
