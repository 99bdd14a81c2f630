package network

import (
	"errors"
	"net/netip"
	"testing"
)

func TestPoolGoesRound(t *testing.T) {
	p := NewPool(netip.MustParsePrefix("10.88.0.0/29")) // .2 to .6 can be given
	for _, want := range []string{"10.88.0.2", "10.88.0.3", "10.88.0.4"} {
		if got, err := p.Take(); err != nil || got.String() != want {
			t.Fatalf("Take = %v, %v; want %s", got, err, want)
		}
	}
	p.Release(netip.MustParseAddr("10.88.0.2"))
	for _, want := range []string{"10.88.0.5", "10.88.0.6", "10.88.0.2"} {
		if got, err := p.Take(); err != nil || got.String() != want {
			t.Fatalf("Take = %v, %v; want %s", got, err, want)
		}
	}
	if _, err := p.Take(); !errors.Is(err, ErrNoAddress) {
		t.Fatalf("Take of an empty pool: %v", err)
	}
}

func TestPoolClaim(t *testing.T) {
	p := NewPool(netip.MustParsePrefix("10.88.0.0/24"))
	p.Claim(netip.MustParseAddr("10.88.0.9"))
	if got, err := p.Take(); err != nil || got.String() != "10.88.0.10" {
		t.Fatalf("Take after Claim = %v, %v", got, err)
	}
}
