package record

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"podlab/sandbox"
)

func TestRecordIsReadAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	n := Node{Spec: sandbox.NodeSpec{ID: "one", Memory: 1 << 20}, Base: 7, PID: 8, PIDNS: 9, Started: 10, Disk: 11}
	for _, cut := range []bool{false, true} {
		n.Link("two", cut)
		if err := n.Write(dir); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(dir); err != nil || !reflect.DeepEqual(got, n) {
			t.Errorf("%+v, want %+v: %v", got, n, err)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("in the directory: %v", names)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(`{"spec":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("a torn record is read")
	}
}

func TestLinks(t *testing.T) {
	var n Node
	n.Link("two", false)
	n.Link("three", false)
	before := n.Links
	n.Link("two", true)
	if linked, cut := n.Linked("two"); !linked || !cut || len(n.Links) != 2 {
		t.Errorf("%+v", n.Links)
	}
	if before[0].Node != "two" || before[0].Cut || before[1].Node != "three" {
		t.Errorf("what was handed out became %+v", before)
	}
	n.Unlink("two")
	n.Unlink("two")
	if linked, _ := n.Linked("two"); linked || len(n.Links) != 1 {
		t.Errorf("%+v", n.Links)
	}
}
