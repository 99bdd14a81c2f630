package network

import (
	"errors"
	"net/netip"
	"sync"
)

// ErrNoAddress says that every address of the subnet is in use.
var ErrNoAddress = errors.New("network: no address left in the pods' subnet")

// Pool hands out the addresses of a subnet, each next one after the last, so that an address comes back as late as possible and
// a new pod network is seen to have a new address.
type Pool struct {
	mu     sync.Mutex
	subnet netip.Prefix
	last   netip.Addr
	used   map[netip.Addr]bool
}

// NewPool returns a pool of subnet without its first address (the network's) and its second (the bridge's).
func NewPool(subnet netip.Prefix) *Pool {
	subnet = subnet.Masked()
	gateway := subnet.Addr().Next()
	return &Pool{subnet: subnet, last: gateway, used: map[netip.Addr]bool{subnet.Addr(): true, gateway: true}}
}

// Take returns a free address.
func (p *Pool) Take() (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for addr := p.after(p.last); addr != p.last; addr = p.after(addr) {
		if !p.used[addr] && p.subnet.Contains(addr.Next()) { // the last one is for broadcasts
			p.used[addr], p.last = true, addr
			return addr, nil
		}
	}
	return netip.Addr{}, ErrNoAddress
}

// Claim marks an address that an earlier agent handed out.
func (p *Pool) Claim(addr netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used[addr] = true
	if p.last.Less(addr) {
		p.last = addr
	}
}

// Release gives an address back.
func (p *Pool) Release(addr netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, addr)
}

// after is the address that follows, round the subnet.
func (p *Pool) after(addr netip.Addr) netip.Addr {
	if next := addr.Next(); p.subnet.Contains(next) {
		return next
	}
	return p.subnet.Addr()
}
