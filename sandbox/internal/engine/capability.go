package engine

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runc/libcontainer/configs"

	"podlab/sandbox"
)

// usual are the capabilities of a container that asks for nothing: Docker's and containerd's default set. They count inside the
// node's user namespace only.
var usual = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

// own are the capabilities that the agent has and so can give.
var own = sync.OnceValues(func() ([]string, error) {
	set, err := capability.NewPid2(0)
	if err == nil {
		err = set.Load()
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range capability.ListKnown() {
		if set.Get(capability.PERMITTED, c) && set.Get(capability.BOUNDING, c) {
			names = append(names, "CAP_"+strings.ToUpper(c.String()))
		}
	}
	return names, nil
})

// grant says which capabilities a container gets: Kubernetes' rules over the usual set. The error's text is the name of a
// capability that was asked for and that the node has not got.
func grant(sc *sandbox.SecurityContext) ([]string, error) {
	have, err := own()
	if err != nil {
		return nil, err
	}
	if privileged(sc) {
		return have, nil
	}
	granted := slices.Clone(usual)
	if sc != nil && sc.Capabilities != nil {
		if granted, err = change(granted, have, sc.Capabilities); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(granted, func(name string) bool { return !slices.Contains(have, name) }), nil
}

func change(granted, have []string, c *sandbox.Capabilities) ([]string, error) {
	if slices.Contains(c.Add, "ALL") {
		granted = slices.Clone(have)
	}
	if slices.Contains(c.Drop, "ALL") {
		granted = nil
	}
	for _, name := range c.Drop {
		granted = slices.DeleteFunc(granted, func(g string) bool { return g == "CAP_"+name })
	}
	for _, name := range c.Add {
		if name == "ALL" {
			continue
		}
		if !slices.Contains(have, "CAP_"+name) {
			return nil, errors.New(name)
		}
		if !slices.Contains(granted, "CAP_"+name) {
			granted = append(granted, "CAP_"+name)
		}
	}
	return granted, nil
}

// sets spreads names over the sets that the kernel keeps. Nothing is inheritable or ambient, as in Docker since 2022
// (CVE-2022-24769).
func sets(names []string) *configs.Capabilities {
	return &configs.Capabilities{Bounding: names, Effective: names, Permitted: names}
}

func privileged(sc *sandbox.SecurityContext) bool {
	return sc != nil && sc.Privileged != nil && *sc.Privileged
}
