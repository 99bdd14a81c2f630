package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	Init       []run
	Containers []run
	Ephemeral  []run
	Conditions []sandbox.PodCondition // as they were last seen

	Initialized bool // every init container is done in the present sandbox
	Finished    bool // every container has ended for good
	Failure     failure
	Ending      ending
	Deleted     time.Time // when deletion was asked for
	Grace       int64     // of the deletion, seconds
}

// failure says why a whole pod was ended, in the words of its status; zero when it was not.
type failure struct{ Reason, Message string }

// ending is how all that runs in a unit is being stopped; zero when it is not.
type ending struct {
	By    time.Time     // SIGKILL is due
	Grace time.Duration // that was given; 0 kills at once
	Why   string        // parameter of the moments Killing
}

// runs lists the runs of all containers of the manifest.
func (r *record) runs() []*run {
	var all []*run
	for _, list := range [][]run{r.Init, r.Containers, r.Ephemeral} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	return all
}

// clone copies what the unit changes in place.
func (r *record) clone() record {
	c := *r
	c.Init, c.Containers, c.Ephemeral = slices.Clone(r.Init), slices.Clone(r.Containers), slices.Clone(r.Ephemeral)
	return c
}

// fits reports whether the record has a run for each container of its object.
func (r *record) fits() bool {
	spec := &r.Object.Spec
	return len(r.Init) == len(spec.InitContainers) && len(r.Containers) == len(spec.Containers) && len(r.Ephemeral) == len(spec.EphemeralContainers)
}

// States of run.
const (
	waiting = sandbox.StateWaiting
	running = sandbox.StateRunning
	exited  = sandbox.StateExited
)

// Values of run.Again.
const (
	againImage = "image" // the manifest names another image
	againProbe = "probe" // it failed its liveness or startup probe
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

	Hooking  bool      // postStart runs
	Up       bool      // started, as its status says: postStart is over and the startup probe has succeeded
	Ready    bool      // what the readiness probe said last
	StopBy   time.Time // SIGKILL is due; zero while it is not being stopped
	StopAsk  time.Time // StopBy as it was asked for, before leastGrace put it off
	Signaled bool      // preStop is over and the stop signal was sent
	Again    string    // why it is stopped only to be started again: againImage, againProbe

	Layers []sandbox.Layer
	Mounts []sandbox.Mount
	As     as
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
		if err == nil && (r.UID+".json" != e.Name() || !r.fits()) {
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
