package labs

import (
	"context"

	"podlab/sandbox"
)

// Store keeps what must survive the server. Every write is durable when its call returns. server/state implements it.
// Learner ids are 1–64 of [A-Za-z0-9_-]; lab ids are folder names.
type Store interface {
	// Progress returns what a learner has done, by lab id; empty for a new learner.
	Progress(ctx context.Context, learner string) (map[string]Progress, error)
	SaveProgress(ctx context.Context, learner, lab string, p Progress) error
	// Sessions returns the record of every session that was not deleted.
	Sessions(ctx context.Context) ([]Record, error)
	SaveSession(ctx context.Context, r Record) error
	DeleteSession(ctx context.Context, learner string) error
}

// Progress is what a learner has done in one lab, over all of its sessions.
type Progress struct {
	Last  string                  `json:"last"` // step the learner was in last
	At    int64                   `json:"at"`   // of the last change, Unix milliseconds
	Steps map[string]StepProgress `json:"steps"`
}

// StepProgress is what a learner has done in one step.
type StepProgress struct {
	Done        int64                   `json:"done,omitempty"`   // Unix milliseconds; 0: not yet
	Checks      map[string]int64        `json:"checks,omitempty"` // when each passed first
	Predictions map[string]FirstOutcome `json:"predictions,omitempty"`
	Hints       map[string]int          `json:"hints,omitempty"`    // tiers asked for, by check
	Solution    bool                    `json:"solution,omitempty"` // was looked at
}

// FirstOutcome is a learner's first answer to a prediction and what then happened. Later runs of the step do not change it.
type FirstOutcome struct {
	Answer  string `json:"answer,omitempty"`
	Outcome string `json:"outcome,omitempty"`
}

// Record is a live session as the store keeps it.
type Record struct {
	Learner    string `json:"learner"`
	Lab        string `json:"lab"`
	Step       string `json:"step"`
	Generation int    `json:"generation"`
	Node       string `json:"node"`  // id; the node may not exist: the record is written before it is made
	Ready      bool   `json:"ready"` // the step's start was finished on this node
	Started    int64  `json:"started"`
	Deadline   int64  `json:"deadline"`
	Since      int64  `json:"since"` // the step's start, microseconds since the host's boot: earlier moments do not count
	Marks      Marks  `json:"marks"`
	// Gone says why there is no node any more: the daemon remembers it for a while only.
	Gone *sandbox.Error `json:"gone,omitempty"`
}

// Marks is what a learner has reached in this run of the step.
type Marks struct {
	Kept        map[string]string `json:"kept,omitempty"`
	Checks      map[string]int64  `json:"checks,omitempty"` // passed, Unix milliseconds
	Predictions []PredictionState `json:"predictions,omitempty"`
	Reached     []string          `json:"reached,omitempty"`
}
