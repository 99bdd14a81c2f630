// Package network connects pods to their node: one bridge, one pair of virtual cables for each pod, one address each.
//
// Everything happens inside the node's own network namespace, so nothing here reaches the host's network. Cables die with the
// namespace of their inner end; Detach is for the moment before that.
package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Inside is the name of a pod's own interface, as in Kubernetes.
const Inside = "eth0"

// noAddress is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
const noAddress = 1

// Bridge is the node's switch, which every pod's cable ends at. It is safe for concurrent use.
type Bridge struct {
	Name    string
	Subnet  netip.Prefix
	Address netip.Addr // the bridge's own: first of the subnet, the pods' default gateway
	index   int
	route   *netlink.Handle
}

// Cable is what Attach made.
type Cable struct {
	Host string // the end at the bridge
	MAC  string // of the pod's end
}

// Open makes the bridge, or finds the one that an earlier agent made, and brings it and the node's loopback up.
func Open(name string, subnet netip.Prefix) (*Bridge, error) {
	route, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	b := &Bridge{Name: name, Subnet: subnet.Masked(), Address: subnet.Masked().Addr().Next(), route: route}
	if err := b.ensure(); err != nil {
		route.Close()
		return nil, fmt.Errorf("network: bridge %s: %w", name, err)
	}
	return b, nil
}

// Close lets go of the netlink socket; the bridge stays.
func (b *Bridge) Close() { b.route.Close() }

func (b *Bridge) ensure() error {
	if err := up(b.route, "lo"); err != nil {
		return err
	}
	err := b.route.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: b.Name}})
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	link, err := b.route.LinkByName(b.Name)
	if err != nil {
		return err
	}
	b.index = link.Attrs().Index
	if err := b.route.AddrAdd(link, address(b.Address, b.Subnet)); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return raise(b.route, link)
}

// Attach gives a network namespace an interface with addr, a default route and a working loopback. path leads to the namespace
// (/proc/PID/ns/net); host names the other end, at most 15 bytes.
func (b *Bridge) Attach(path, host string, addr netip.Addr) (Cable, error) {
	ns, inside, err := enter(path)
	if err != nil {
		return Cable{}, fmt.Errorf("network: namespace %s: %w", path, err)
	}
	defer ns.Close()
	defer inside.Close()
	if err := b.plug(host, ns); err != nil {
		return Cable{}, fmt.Errorf("network: veth %s: %w", host, err)
	}
	mac, err := configure(inside, addr, b.Subnet, b.Address)
	if err != nil {
		b.Detach(host)
		return Cable{}, fmt.Errorf("network: %s in %s: %w", Inside, path, err)
	}
	return Cable{Host: host, MAC: mac}, nil
}

// plug makes the pair with one end at the bridge and the other in ns.
func (b *Bridge) plug(host string, ns netns.NsHandle) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = host
	attrs.MasterIndex = b.index
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: Inside, PeerNamespace: netlink.NsFd(int(ns))}
	if err := b.route.LinkAdd(pair); err != nil {
		return err
	}
	return raise(b.route, pair)
}

// raise brings a card up without an IPv6 address of its own making: there is no IPv6 on a node but loopback's, and the kernel's
// search for routers and neighbours would be all that ever moves.
func raise(h *netlink.Handle, link netlink.Link) error {
	_ = h.LinkSetIP6AddrGenMode(link, noAddress) // fails on kernels without IPv6, which have no need of it
	return h.LinkSetUp(link)
}

// Detach removes the cable whose end at the bridge is host; one that is not there is no error.
func (b *Bridge) Detach(host string) error {
	link, err := b.route.LinkByName(host)
	if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
		return nil
	}
	if err != nil {
		return err
	}
	if err := b.route.LinkDel(link); !errors.Is(err, unix.ENODEV) { // it went with its other end just now
		return err
	}
	return nil
}

// enter opens the network namespace at path and a netlink socket in it.
func enter(path string) (netns.NsHandle, *netlink.Handle, error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return 0, nil, err
	}
	// The family matters: without one, a socket of every family that netlink knows is opened in the namespace.
	inside, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		ns.Close()
		return 0, nil, err
	}
	return ns, inside, nil
}

func configure(inside *netlink.Handle, addr netip.Addr, subnet netip.Prefix, gateway netip.Addr) (mac string, err error) {
	if err := up(inside, "lo"); err != nil {
		return "", err
	}
	link, err := inside.LinkByName(Inside)
	if err != nil {
		return "", err
	}
	if err := inside.AddrAdd(link, address(addr, subnet)); err != nil {
		return "", err
	}
	if err := raise(inside, link); err != nil {
		return "", err
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.IP(gateway.AsSlice())}
	return link.Attrs().HardwareAddr.String(), inside.RouteAdd(route)
}

func up(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return h.LinkSetUp(link)
}

func address(addr netip.Addr, subnet netip.Prefix) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(subnet.Bits(), addr.BitLen())}}
}
