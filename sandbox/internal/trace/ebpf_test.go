package trace

import (
	"context"
	"testing"
)

func TestOpenEBPF(t *testing.T) {
	needRoot(t)
	tr, err := OpenKind(context.Background(), KindEBPF)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
}
