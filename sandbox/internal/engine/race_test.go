//go:build race

package engine

// raceFactor: the race detector makes the first stage bigger.
const raceFactor = 3
