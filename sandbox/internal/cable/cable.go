// Package cable joins nodes: a pair of virtual cards with one end in each node's network, and the way to the other's pods over it.
//
// The pair is made in the two networks at once, so nothing of it is ever in the host's, and no third network has a way to it. A cut cable is
// taken out: whoever is root of a node can bring a card up again that is only down.
//
// What is in a node's network is its learner's: a card or a route of a name that is needed may be there, and goes.
package cable

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/pidfd"
)

// ErrGone says that a node has ended.
var ErrGone = errors.New("cable: the node has ended")

// noAddress is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h: no IPv6 is spoken but what somebody sets up.
const noAddress = 1

// End is a node as the cable sees it.
type End struct {
	Network *os.File     // its network namespace
	Pods    netip.Prefix // their addresses, of which the node's bridge has the first; no two nodes' overlap
}

// Open opens the network of a node: of the process of that pid, which init holds (package pidfd). The pid could be another process's by now,
// unless init lives after the file was opened: else ErrGone. pods is the subnet of the node's pods. Close the End's network.
func Open(pid int, init *os.File, pods string) (End, error) {
	subnet, err := netip.ParsePrefix(pods)
	if err != nil {
		return End{}, err
	}
	network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return End{}, err
	}
	if !pidfd.Lives(init) {
		network.Close()
		return End{}, ErrGone
	}
	return End{Network: network, Pods: subnet}, nil
}

// Card is the name of the card that leads to this end: "link7" to the node with pods in 10.88.7.0/24.
func (e End) Card() string { return fmt.Sprintf("link%d", e.Pods.Addr().As4()[2]) }

// Plug joins two nodes by a new cable, in place of one that is there.
func Plug(a, b End) (err error) {
	if err := Unplug(a, b); err != nil {
		return err
	}
	at, err := netlink.NewHandleAt(netns.NsHandle(a.Network.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("cable: %w", err)
	}
	defer at.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = b.Card()
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: a.Card(), PeerNamespace: netlink.NsFd(b.Network.Fd())}
	if err := at.LinkAdd(pair); err != nil {
		return fmt.Errorf("cable: %s to %s: %w", pair.PeerName, pair.Name, err)
	}
	if err := errors.Join(lead(a, b), lead(b, a)); err != nil {
		return errors.Join(err, Unplug(a, b))
	}
	return nil
}

// Unplug takes the cable between two nodes out. One that is not there is no error.
func Unplug(a, b End) error { return errors.Join(remove(a, b.Card()), remove(b, a.Card())) }

func remove(from End, card string) error {
	at, err := netlink.NewHandleAt(netns.NsHandle(from.Network.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("cable: %w", err)
	}
	defer at.Close()
	link, err := at.LinkByName(card)
	if _, none := errors.AsType[netlink.LinkNotFoundError](err); none {
		return nil
	}
	if err == nil {
		err = at.LinkDel(link)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) { // it went with its other end
		return fmt.Errorf("cable: remove %s: %w", card, err)
	}
	return nil
}

// lead brings up the card in one network that leads to the other, and makes the way to the other's pods: by the address of the other node's
// bridge, which answers for it on all its cards (arp(7)).
func lead(in, to End) error {
	at, err := netlink.NewHandleAt(netns.NsHandle(in.Network.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("cable: %w", err)
	}
	defer at.Close()
	link, err := at.LinkByName(to.Card())
	if err != nil {
		return fmt.Errorf("cable: %s: %w", to.Card(), err)
	}
	_ = at.LinkSetIP6AddrGenMode(link, noAddress) // fails on kernels without IPv6, which have no need of it
	if err := at.LinkSetUp(link); err != nil {
		return fmt.Errorf("cable: %s: %w", to.Card(), err)
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index, Gw: to.Pods.Addr().Next().AsSlice(), Flags: int(netlink.FLAG_ONLINK),
		Dst: &net.IPNet{IP: to.Pods.Addr().AsSlice(), Mask: net.CIDRMask(to.Pods.Bits(), to.Pods.Addr().BitLen())},
	}
	if err := at.RouteReplace(route); err != nil {
		return fmt.Errorf("cable: route to %s: %w", to.Pods, err)
	}
	return forward(in.Network)
}

// forward lets a network pass on what is not for itself. The setting is the network's whose thread opens the file; the thread is thrown away.
func forward(network *os.File) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- os.NewSyscallError("setns", err)
			return
		}
		done <- os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
	}()
	return <-done
}
