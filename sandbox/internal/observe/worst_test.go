package observe

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/wire"
)

// The worst that a learner can do to the lists that are theirs: as many processes as are shown, each with long arguments, and
// volumes full of long names, all of characters that JSON writes with six bytes.
func TestWorstSnapshotFitsTheWire(t *testing.T) {
	root := t.TempDir()
	evil := strings.Repeat("<", 4<<10)
	for pid := 1; pid <= maxProcesses+1; pid++ {
		dir := fmt.Sprintf("%s/proc/%d/", root, pid)
		must(t, os.MkdirAll(dir, 0o755))
		for name, content := range map[string]string{
			"stat":    fmt.Sprintf("%d (<<<<<<<<<<<<<<<) S 1%s", pid, strings.Repeat(" 1", 48)),
			"status":  "Uid:\t0\t0\t0\t0\nNSpid:\t1\n",
			"cmdline": evil,
		} {
			must(t, os.WriteFile(dir+name, []byte(content), 0o644))
		}
	}
	in := Input{InitPID: 1}
	for v := range maxVolumes {
		path := fmt.Sprintf("%s/volume%d", root, v)
		must(t, os.MkdirAll(path, 0o755))
		for n := range maxFiles + 1 {
			must(t, os.WriteFile(fmt.Sprintf("%s/%s%03d", path, evil[:200], n), nil, 0o644))
		}
		in.Volumes = append(in.Volumes, sandbox.Volume{Path: path})
	}
	s := (&Observer{Proc: root + "/proc", Cgroup: root, Disk: root}).Snapshot(in)
	b, err := json.Marshal(s)
	must(t, err)
	if len(s.Processes) != maxProcesses || len(b) > wire.MaxJSON*3/4 {
		t.Errorf("%d processes, %d bytes of %d", len(s.Processes), len(b), wire.MaxJSON)
	}
	if got := fmt.Sprint(s.Truncated); got != "[processes args files]" {
		t.Errorf("truncated %s", got)
	}
}
