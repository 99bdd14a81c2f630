// Package spare keeps nodes that nobody has asked for yet: complete, with disk, root, init and agent, so that whoever asks for one of the same
// shape gets it by a change of name. There are as many as the operator said, of the shapes that were asked for last, since what comes is
// mostly what came, and only in room that nobody wants.
package spare

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"time"

	"podlab/sandbox"
)

// Prefix begins a spare's name. Nobody can ask for a node of such a name.
const Prefix = "_"

// Nodes is who makes nodes and gives them away.
type Nodes interface {
	// Spares are those that live and that nobody has, and how much room there is for them: see Plan.Compare.
	Spares() (have []sandbox.NodeSpec, room int)
	MakeSpare(spec sandbox.NodeSpec) error
	// DropSpares destroys those of the nodes that are still spare, and waits until they are gone.
	DropSpares(ids []string)
}

// Keep makes and removes spares as the plan says, until ctx ends, and then removes all.
func Keep(ctx context.Context, plan *Plan, nodes Nodes, log *slog.Logger) {
	defer func() {
		have, _ := nodes.Spares()
		nodes.DropSpares(ids(have))
	}()
	if plan.none() {
		return
	}
	tick := time.NewTicker(calm / 2)
	defer tick.Stop()
	for ctx.Err() == nil {
		have, room := nodes.Spares()
		surplus, missing := plan.Compare(have, room, time.Now())
		nodes.DropSpares(surplus)
		if missing != nil && add(plan, nodes, *missing, log) {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func add(plan *Plan, nodes Nodes, spec sandbox.NodeSpec, log *slog.Logger) bool {
	began := time.Now()
	spec.ID = Prefix + strings.ToLower(rand.Text()[:12])
	if err := nodes.MakeSpare(spec); err != nil {
		log.Warn("no spare node", "error", err)
		plan.Failed(time.Now())
		return false
	}
	log.Info("spare node", "node", spec.ID, "hostname", spec.Hostname, "took", time.Since(began).Round(time.Millisecond))
	return true
}

func ids(specs []sandbox.NodeSpec) (all []string) {
	for _, spec := range specs {
		all = append(all, spec.ID)
	}
	return all
}
