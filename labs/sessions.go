package labs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"podlab/sandbox"
)

var errUnbuilt = errors.New("labs: not built yet")

// Config is what sessions are run with. Zero durations take the defaults.
type Config struct {
	Course *Course
	Nodes  sandbox.Nodes
	Store  Store
	Log    *slog.Logger
	Prefix string        // of the ids of this server's nodes; default "s-". Nodes with it and without a session are destroyed.
	TTL    time.Duration // of a session; default 60 min
	Extend time.Duration // by one extension; default 30 min
	Warn   time.Duration // before the deadline: extendable from then on; default 10 min
	Idle   time.Duration // nobody looks: the session ends; default 20 min
	Most   time.Duration // that a session may live with all extensions; default 4 h
}

// Sessions holds the live sessions of all learners: at most one each.
type Sessions struct{}

// Open finds again the sessions that the store knows and their nodes, and removes nodes that belong to none. It returns at once
// when the daemon is away, and keeps trying. Close before the store closes.
func Open(ctx context.Context, cfg Config) (*Sessions, error) { return nil, errUnbuilt }

// Close stops watching. Nodes live on: the next Open finds them.
func (s *Sessions) Close() error { return errUnbuilt }

// Start brings the learner into a step, with a node: a step that continues the one the session is in keeps its node, any other
// gets a fresh one. A live session in another lab ends. Being there already is no error. It returns before the node is ready:
// frames tell. Errors: not_found.
func (s *Sessions) Start(learner, lab, step string) error { return errUnbuilt }

// Reset gives the learner a fresh node in the step's start. Errors: not_found.
func (s *Sessions) Reset(learner, lab, step string) error { return errUnbuilt }

// Extend moves the deadline. Errors: not_found (no session), denied (too early, or no more).
func (s *Sessions) Extend(learner, lab string) error { return errUnbuilt }

// End ends the session and destroys its node. No session is no error.
func (s *Sessions) End(learner, lab string) error { return errUnbuilt }

// Predict locks an answer. Errors: not_found, denied (already answered, or it happened before).
func (s *Sessions) Predict(learner, lab, step, prediction, option string) error { return errUnbuilt }

// Hint grants the next tier of a check's hints and returns it, the last one again when there is no more. Errors: not_found.
func (s *Sessions) Hint(ctx context.Context, learner, lab, step, check string) (tier int, err error) {
	return 0, errUnbuilt
}

// ShowSolution records that the learner looked at the solution.
func (s *Sessions) ShowSolution(ctx context.Context, learner, lab, step string) error {
	return errUnbuilt
}

// Progress returns what the learner has done, by lab id. Hints that were granted are in it.
func (s *Sessions) Progress(ctx context.Context, learner string) (map[string]Progress, error) {
	return nil, errUnbuilt
}

// Live returns the lab and step of the learner's live session; ok is false when there is none.
func (s *Sessions) Live(learner string) (lab, step string, ok bool) { return "", "", false }

// File returns a manifest of the step as it is on the node, or as the lab has it when there is no node. Errors: not_found.
func (s *Sessions) File(ctx context.Context, learner, lab, step, name string) ([]byte, error) {
	return nil, errUnbuilt
}

// PutFile saves a manifest of the step on the node. Errors: not_found, too_large, unavailable.
func (s *Sessions) PutFile(ctx context.Context, learner, lab, step, name string, data []byte) error {
	return errUnbuilt
}

// Apply saves a manifest on the node and applies it. Errors: those of manifest.Decode and Agent.Apply, not_found.
func (s *Sessions) Apply(ctx context.Context, learner, lab, step, name string, data []byte) ([]sandbox.Applied, error) {
	return nil, errUnbuilt
}

// Agent returns the way to the agent of the learner's node in this lab, for terminals and previews, and the node's generation.
// ctx of calls made with it should end when Gone does: the node is being replaced then. Errors: not_found (no node).
func (s *Sessions) Agent(learner, lab string) (Access, error) { return Access{}, errUnbuilt }

// Access is a learner's node for as long as it is theirs.
type Access struct {
	sandbox.Agent
	Generation int
	Gone       <-chan struct{} // closes when the node is replaced or removed
}

// Subscribe shows a learner one step's page. Close it.
func (s *Sessions) Subscribe(learner, lab, step string) (*Subscription, error) {
	return nil, errUnbuilt
}

// Subscription is one page that looks. One goroutine reads it.
type Subscription struct{}

// Next returns the next frame: the first at once, then one whenever something changed, at most twenty a second. Snapshots that
// came meanwhile are skipped, moments are not.
func (s *Subscription) Next(ctx context.Context) (Frame, error) { return Frame{}, errUnbuilt }

// Close ends it.
func (s *Subscription) Close() {}
