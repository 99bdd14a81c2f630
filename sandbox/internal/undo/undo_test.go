package undo

import (
	"slices"
	"testing"
)

func TestUndoRunsNewestFirstAndOnce(t *testing.T) {
	var got []int
	var made Steps
	for i := range 3 {
		made.Add(func() { got = append(got, i) })
	}
	made.Undo()
	made.Undo()
	if !slices.Equal(got, []int{2, 1, 0}) {
		t.Fatalf("steps ran as %v", got)
	}
}

func TestKeepForgets(t *testing.T) {
	var made Steps
	made.Add(func() { t.Error("a kept step was taken back") })
	made.Keep()
	made.Undo()
}
