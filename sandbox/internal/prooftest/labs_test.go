package prooftest

import (
	"testing"

	"podlab/content"
	"podlab/labs"
	"podlab/sandbox/internal/sandboxtest"
)

// TestLabs proves every lab that is shipped, on nodes of a daemon of its own.
func TestLabs(t *testing.T) {
	daemon := sandboxtest.Start(t)
	course, err := labs.Load(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, lab := range course.Labs() {
		t.Run(lab.ID, func(t *testing.T) {
			findings := 0
			err := labs.Prove(t.Context(), daemon, course, lab, func(f labs.Finding) {
				findings++
				if f.Err != nil {
					t.Error(f)
				} else {
					t.Log(f)
				}
			})
			if err != nil {
				t.Error(err)
			}
			if findings < 2*len(lab.Steps) {
				t.Errorf("only %d findings about %d steps", findings, len(lab.Steps))
			}
		})
	}
}
