package userns

import (
	"math"
	"testing"
)

func TestPool(t *testing.T) {
	p := NewPool("/run/one")
	first := p.Take(func(uint32) bool { return false })
	if other := NewPool("/run/two").Take(func(uint32) bool { return false }); other == first {
		t.Error("two pools begin with the same range")
	}
	used := map[uint32]bool{first: true, first + Size: true}
	seen := make(map[uint32]bool)
	for range bases - len(used) {
		base := p.Take(func(base uint32) bool { return used[base] })
		if used[base] || seen[base] || base < firstBase || base > Trial || uint64(base)+Size > math.MaxInt32 {
			t.Fatalf("%#x is given away", base)
		}
		seen[base] = true
	}
	if base := p.Take(func(base uint32) bool { return used[base] }); !seen[base] {
		t.Errorf("%#x is new", base)
	}
}
