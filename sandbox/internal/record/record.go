// Package record is what a later daemon must know to find a node again. It is written last: a node without one is half made, or a spare.
package record

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"podlab/sandbox"
)

// Node is the record of a node. Only its links change once it lives.
type Node struct {
	Spec    sandbox.NodeSpec `json:"spec"`
	Base    uint32           `json:"base"` // first of its ids on the host
	PID     int              `json:"pid"`
	PIDNS   uint64           `json:"pidns"`
	Started int64            `json:"started"` // Unix milliseconds
	Disk    uint64           `json:"disk"`    // number of its device
	Links   []sandbox.Link   `json:"links,omitempty"`
}

const file = "node.json"

// Read reads the record in a node's directory of state.
func Read(dir string) (n Node, err error) {
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return n, fmt.Errorf("half made, or a spare: %w", err)
	}
	return n, json.Unmarshal(data, &n)
}

// Write puts it there, whole or not at all.
func (n *Node) Write(dir string) error {
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	fresh := filepath.Join(dir, file+".new")
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(dir, file))
}

// Linked finds the cable to another node.
func (n *Node) Linked(other string) (linked, cut bool) {
	i := slices.IndexFunc(n.Links, func(l sandbox.Link) bool { return l.Node == other })
	return i >= 0, i >= 0 && n.Links[i].Cut
}

// Link notes a cable, in place of one to the same node. What was handed out of the links before does not change.
func (n *Node) Link(other string, cut bool) {
	n.Unlink(other)
	n.Links = append(n.Links, sandbox.Link{Node: other, Cut: cut})
}

// Unlink forgets the cable to another node, if there is one.
func (n *Node) Unlink(other string) {
	n.Links = slices.DeleteFunc(slices.Clone(n.Links), func(l sandbox.Link) bool { return l.Node == other })
}
