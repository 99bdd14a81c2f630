// Package truth is tests that hold what a real node tells of itself, its snapshots and its kernel's moments, against what the host's /proc
// and the processes themselves say.
package truth
