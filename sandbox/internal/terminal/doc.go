// Package terminal keeps terminals for the agent: a program on a pty, what it printed last, and whoever is attached.
//
// A terminal is a pty master and a ring. The ring is a memfd of 256 KiB, the terminal's only buffer: the pty is read straight
// into it, and every attachment reads from it at a place of its own. Both descriptors are kept by node init, so the next life of
// the agent goes on where a killed one stopped: same program, same screen.
//
// Back-pressure: while someone is attached, the pty is read at most maxLag bytes ahead of the slowest; then the program blocks.
// Where several are attached, one that reads nothing for stuckAfter is detached. With nobody attached the ring just turns.
//
// Owners: Set owns its terminals; each terminal has two goroutines, one that reads the pty and one that waits for the program.
// Both end with the program, or with Close, which leaves program and ring to the next life.
package terminal
