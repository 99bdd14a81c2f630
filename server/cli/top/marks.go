package top

import "podlab/sandbox"

// kinds of namespace, in the order of their columns. User and cgroup namespaces are the node's for all.
var kinds = []struct {
	name string
	of   func(sandbox.Namespaces) uint64
}{
	{"net", func(n sandbox.Namespaces) uint64 { return n.Net }},
	{"ipc", func(n sandbox.Namespaces) uint64 { return n.IPC }},
	{"uts", func(n sandbox.Namespaces) uint64 { return n.UTS }},
	{"pid", func(n sandbox.Namespaces) uint64 { return n.PID }},
	{"mnt", func(n sandbox.Namespaces) uint64 { return n.Mnt }},
}

const (
	own     = '·' // the node's
	unknown = '?' // of a zombie, whose namespaces are gone
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// marks names namespaces by letters, for each kind apart. One that is gone gives its letter back.
type marks [5]map[uint64]rune

// assign gives each namespace of a snapshot its letter and keeps those that it had. With more namespaces of a kind than letters, the
// rest are called '+'.
func (m *marks) assign(s *sandbox.Snapshot) {
	for k, kind := range kinds {
		there := map[uint64]rune{0: unknown, kind.of(s.Node.NS): own}
		used := map[rune]bool{}
		for _, p := range s.Processes {
			inode := kind.of(p.NS)
			if mark, known := m[k][inode]; known && there[inode] == 0 && mark != '+' {
				there[inode], used[mark] = mark, true
			}
		}
		for _, p := range s.Processes {
			if inode := kind.of(p.NS); there[inode] == 0 {
				there[inode] = free(used)
			}
		}
		m[k] = there
	}
}

func free(used map[rune]bool) rune {
	for _, letter := range letters {
		if !used[letter] {
			used[letter] = true
			return letter
		}
	}
	return '+'
}

// of are the marks of one process, by kind.
func (m *marks) of(ns sandbox.Namespaces) (out [5]rune) {
	for k, kind := range kinds {
		out[k] = m[k][kind.of(ns)]
	}
	return out
}
