package userns

import "hash/fnv"

// Ids of nodes come from here: beyond ids of people and of /etc/subuid, below what signed 32 bits hold.
const (
	firstBase = 0x1000_0000
	bases     = 0x6000 // ranges of Size
)

// Trial is the base of a range to try things with, the last that a pool comes to.
const Trial = firstBase + (bases-1)*Size

// Pool gives ranges of Size ids away, each as late as possible after its last use: what a node left must not be the next one's.
type Pool struct{ next uint32 }

// NewPool makes a pool. Those of other names begin elsewhere, so that two daemons of one host hardly meet.
func NewPool(name string) *Pool {
	sum := fnv.New32a()
	sum.Write([]byte(name))
	return &Pool{next: sum.Sum32() % bases}
}

// Take returns the base of the next range that is not in use.
func (p *Pool) Take(inUse func(base uint32) bool) uint32 {
	for {
		base := firstBase + p.next%bases*Size
		p.next++
		if !inUse(base) {
			return base
		}
	}
}
