package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"podlab/sandbox"
)

// record is what must be known of a unit after the agent has been replaced. It is kept as JSON in the state directory (a tmpfs:
// it dies with the node, as everything it tells of).
type record struct {
	Order      uint64 // of applying
	UID        string
	Created    time.Time
	Object     object
	Address    string // of its network, empty when it has none of its own
	Cable      string // the network's end at the bridge
	Infra      run
	Containers []run
	Finished   bool      // every container has ended for good
	Evicted    string    // why the pod was evicted, empty when it was not
	Deleted    time.Time // when deletion was asked for
	Grace      int64     // of the deletion, seconds
}

// States of run.
const (
	waiting = sandbox.StateWaiting
	running = sandbox.StateRunning
	exited  = sandbox.StateExited
)

// run is a container's present or last run.
type run struct {
	Name     string
	Image    string
	ImageID  string
	Attempt  int // of starting; names its directories
	Restarts int
	State    string
	Reason   string // of waiting or exited
	Message  string
	PID      int
	Start    uint64 // field 22 of /proc/PID/stat: with PID it names the process for ever
	Boot     int64  // µs since boot at start
	Started  time.Time
	Finished time.Time
	Code     int
	Signal   int
	OOM      int64                  // kills by the kernel seen in this run
	Last     sandbox.ContainerState // how the run before ended
	Delay    time.Duration          // back-off before the next start
	Layers   []sandbox.Layer
	Mounts   []sandbox.Mount
	As       as
}

// save writes a unit's record in one step.
func (u *unit) save() {
	data, err := json.Marshal(&u.record)
	if err == nil {
		err = writeAtomically(u.recordPath(), data)
	}
	if err != nil {
		u.log.Error("record not written", "err", err)
	}
}

func (u *unit) recordPath() string {
	return filepath.Join(u.engine.cfg.State, "objects", u.record.UID+".json")
}

func writeAtomically(path string, data []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// readRecords reads every record that is whole. Others are removed and named in bad: what they told of is cleared away as unowned.
func readRecords(dir string) (records []record, bad []error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, []error{err}
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		var r record
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		if err == nil && (r.UID+".json" != e.Name() || len(r.Containers) != len(r.Object.Spec.Containers)) {
			err = fmt.Errorf("it does not fit its name or its object")
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("record %s: %w", e.Name(), errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))))
			continue
		}
		records = append(records, r)
	}
	return records, bad
}
