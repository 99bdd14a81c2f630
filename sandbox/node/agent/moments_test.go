package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"podlab/sandbox"
)

// TestMomentsOutliveTheAgent: the next life goes on behind the last number, with what was kept.
func TestMomentsOutliveTheAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "moments")
	open := func() *moments {
		m, err := openMoments(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.close)
		return m
	}
	first := open()
	for i := range maxLines + 10 { // the file is written anew on the way
		first.add(sandbox.Moment{Kind: sandbox.MomentAgent, Reason: fmt.Sprint(i + 1)})
	}
	torn, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer torn.Close()
	if _, err := torn.WriteString(`{"kind":"agent","seq":9`); err != nil {
		t.Fatal(err)
	}
	second := open()
	second.add(sandbox.Moment{Kind: sandbox.MomentAgent, Reason: "again"})
	got, _ := second.after(0)
	if got == nil || len(got.Items) != maxMoments || got.Lost != maxLines+11-maxMoments {
		t.Fatalf("after a restart: %+v", got)
	}
	last := got.Items[len(got.Items)-1]
	if last.Seq != maxLines+11 || last.Reason != "again" || last.Source != sandbox.SourceAgent || last.Time == 0 {
		t.Errorf("the newest: %+v", last)
	}
	if before := got.Items[len(got.Items)-2]; before.Reason != fmt.Sprint(before.Seq) {
		t.Errorf("the one before: %+v", before)
	}
	if got, _ := second.after(last.Seq); got != nil {
		t.Errorf("behind the newest: %+v", got)
	}
	if file, err := os.ReadFile(path); err != nil || strings.Count(string(file), "\n") != maxMoments+1 {
		t.Errorf("the file: %d lines, %v", strings.Count(string(file), "\n"), err)
	}
}
