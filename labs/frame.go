package labs

import "podlab/sandbox"

// Frame is what one page shows at one moment: the session's state, and what changed on its node since the last frame that was
// sent to this page. The browser gets nothing else over the live websocket. TypeScript types are generated from here.
type Frame struct {
	Now      int64             `json:"now"`  // server's clock, Unix milliseconds
	Boot     int64             `json:"boot"` // Unix milliseconds at Moment.Time 0
	Tracer   string            `json:"tracer"`
	Untold   []string          `json:"untold,omitempty"` // what the tracer cannot tell of: sandbox.HostInfo.Untold
	Session  SessionView       `json:"session"`
	Snapshot *sandbox.Snapshot `json:"snapshot,omitempty"` // whole; absent when nothing changed since the last frame
	Moments  []sandbox.Moment  `json:"moments,omitempty"`  // new ones, of both sources, by Time
	Lost     uint64            `json:"lost,omitempty"`     // moments that could not be kept for this page
}

// Phases of a session's node.
const (
	PhaseNone     = "none"     // nothing started yet
	PhaseQueued   = "queued"   // the machine is full; Place says how many are before this one
	PhaseStarting = "starting" // Stage says what is being done
	PhaseReady    = "ready"
	PhaseGone     = "gone"  // node init ended, or the node could not be made; Error says why
	PhaseEnded    = "ended" // time was up, or the learner ended it
)

// Stages of PhaseStarting.
const (
	StageNode  = "node"  // the node is being made
	StageSetup = "setup" // the step's starting state is being made
)

// SessionView is the state of a learner in one lab, as the page needs it.
type SessionView struct {
	Lab         string            `json:"lab"`
	Step        string            `json:"step"`
	Phase       string            `json:"phase"`
	Stage       string            `json:"stage,omitempty"`
	Place       int               `json:"place,omitempty"`
	Error       *sandbox.Error    `json:"error,omitempty"`
	Started     int64             `json:"started,omitempty"`  // of the node, Unix milliseconds
	Deadline    int64             `json:"deadline,omitempty"` // Unix milliseconds; 0 when there is no node
	Extendable  bool              `json:"extendable"`
	Generation  int               `json:"generation"` // rises with each new node (reset): terminals must attach anew
	Checks      []CheckState      `json:"checks"`
	Predictions []PredictionState `json:"predictions"`
	StepsDone   []string          `json:"stepsDone"`
	Reached     []string          `json:"reached"`             // ids of the step's text conditions that have come true ("you just saw …")
	Recording   int64             `json:"recording,omitempty"` // since when a recording is being made, Unix milliseconds
	Recorded    *sandbox.Error    `json:"recorded,omitempty"`  // why the last recording ended by itself; until the next begins
	OtherLab    string            `json:"otherLab,omitempty"`  // the learner's live session is in this lab: offer to switch
}

// States of a check.
const (
	CheckPending = "pending"
	CheckPassed  = "passed"
	CheckLost    = "lost" // a condition to hold that no longer holds
)

// CheckState is one check of the current step.
type CheckState struct {
	ID    string            `json:"id"`
	State string            `json:"state"`
	Wrong string            `json:"wrong,omitempty"` // id of the named wrong solution that was recognised: its hint is shown
	Found map[string]string `json:"found,omitempty"` // what is there instead of what was wanted; parameters of the check's "found" text
	At    int64             `json:"at,omitempty"`    // when it passed, Unix milliseconds
}

// PredictionState is one prediction of the current step.
type PredictionState struct {
	ID      string            `json:"id"`
	Answer  string            `json:"answer,omitempty"`  // option chosen; it is locked then
	Outcome string            `json:"outcome,omitempty"` // option that the kernel showed to be true; empty until it happened
	Seen    map[string]string `json:"seen,omitempty"`    // values the kernel showed, parameters of the outcome's text
	Missed  bool              `json:"missed,omitempty"`  // it happened before an answer was given
}
