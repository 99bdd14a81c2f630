package trace

import "podlab/sandbox"

// What each source cannot tell of. That a process lives too short to be seen is known of the proc connector only as it happens: what it
// could not look up is counted as lost.

// lifeOnly is what both fall-backs lack: they see that processes begin, execute and end, and nothing of what they do.
var lifeOnly = []string{
	sandbox.UntoldNamespaces, sandbox.UntoldMounts, sandbox.UntoldTCP, sandbox.UntoldSockets, sandbox.UntoldReparent, sandbox.UntoldOOM,
}

func (s *kernelSource) lacks() []string { return s.untold }

func (s *connectorSource) lacks() []string { return lifeOnly }

func (s *pollSource) lacks() []string { return append([]string{sandbox.UntoldShort}, lifeOnly...) }
