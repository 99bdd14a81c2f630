package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzRead reads frames from any bytes: each is within the limit and is written again as it came.
func FuzzRead(f *testing.F) {
	for _, frames := range [][]byte{nil, {JSON, 0, 0, 0, 2, '{', '}'}, {Stdout, 0, 0, 0, 1, 'x', Exit, 0, 0, 0, 0}, {JSON, 0xff, 0xff, 0xff, 0xff}, {JSON, 0, 1, 0, 1, 'x'}} {
		f.Add(frames, 100)
		f.Add(frames, MaxJSON)
	}
	f.Fuzz(func(t *testing.T, sent []byte, limit int) {
		limit = max(0, min(limit, MaxJSON))
		r, again := bytes.NewReader(sent), &bytes.Buffer{}
		for {
			kind, payload, err := Read(r, limit)
			if err != nil {
				if errors.Is(err, io.EOF) && r.Len() > 0 {
					t.Error("an end before the end")
				}
				break
			}
			if len(payload) > limit {
				t.Fatalf("a frame of %d bytes, over %d", len(payload), limit)
			}
			if err := Write(again, kind, payload); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(sent, again.Bytes()) {
			t.Errorf("%q was read as %q", sent, again.Bytes())
		}
		var request Request
		_ = ReadJSON(bytes.NewReader(sent), &request)
	})
}
