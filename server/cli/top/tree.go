package top

import (
	"cmp"
	"slices"
	"strings"

	"podlab/sandbox"
)

// row is one line of the tree.
type row struct {
	sandbox.Process
	branch string // what is drawn before its name
	ended  string // how, of one that is gone; empty while it lives
}

// tree lists processes with each behind its parent, children by pid. One whose parent is not among them is a root.
func tree(processes []row) []row {
	children := map[int][]row{}
	known := map[int]bool{}
	for _, p := range processes {
		known[p.PID] = true
	}
	var roots []row
	for _, p := range processes {
		if known[p.PPID] && p.PPID != p.PID {
			children[p.PPID] = append(children[p.PPID], p)
		} else {
			roots = append(roots, p)
		}
	}
	t := planter{children: children, seen: map[int]bool{}}
	for _, root := range byPID(roots) {
		t.plant(root, "", "")
	}
	for _, p := range byPID(slices.Clone(processes)) { // a ring of parents, which only a node that lies tells of
		t.plant(p, "", "")
	}
	return t.out
}

type planter struct {
	children map[int][]row
	seen     map[int]bool
	out      []row
}

// maxBranch bounds what is drawn before a name, in bytes: with a chain of processes as long as a node that lies can tell of, each a child of the
// one before, the branches would take gigabytes. What is deeper is drawn at that depth.
const maxBranch = 256

// plant adds a process and what is below it; first stands before its own name, rest before its children's.
func (t *planter) plant(p row, first, rest string) {
	if t.seen[p.PID] {
		return
	}
	t.seen[p.PID] = true
	p.branch = first
	t.out = append(t.out, p)
	if len(rest) > maxBranch {
		rest = strings.ToValidUTF8(rest[:maxBranch], "")
	}
	below := byPID(t.children[p.PID])
	for i, child := range below {
		if i == len(below)-1 {
			t.plant(child, rest+"└─ ", rest+"   ")
		} else {
			t.plant(child, rest+"├─ ", rest+"│  ")
		}
	}
}

func byPID(rows []row) []row {
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.PID, b.PID) })
	return rows
}
