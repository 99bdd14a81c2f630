package fake

import (
	"fmt"
	"slices"
	"sort"
	"strconv"

	"podlab/sandbox"
)

// snapshot builds the whole picture. The caller holds a.mu.
func (a *Agent) snapshot() sandbox.Snapshot {
	a.seq++
	s := sandbox.Snapshot{
		Agent: "life-" + strconv.Itoa(a.life), Seq: a.seq, Time: now(), Node: a.node,
		Pods: []sandbox.Pod{}, Containers: []sandbox.Container{}, Volumes: []sandbox.Volume{}, IPC: []sandbox.IPCObject{},
		Terminals: []sandbox.TerminalStatus{},
	}
	s.Processes = []sandbox.Process{
		a.own(1, 0, "init", "podlab-init", "/opt/podlab/bin/podlab-node", "node"),
		a.own(a.node.AgentPID, 1, "agent", "podlab-agent", "/opt/podlab/bin/podlab-node", "agent"),
	}
	for _, p := range a.pods {
		s.Pods = append(s.Pods, p.status())
		for _, v := range p.volumes {
			v.Files = slices.Clone(v.Files)
			s.Volumes = append(s.Volumes, v)
		}
	}
	for _, c := range a.containers() {
		view := c.view
		if view.State != sandbox.StateRunning {
			view.NS = sandbox.Namespaces{}
		}
		view.Layers, view.Mounts = append([]sandbox.Layer{}, view.Layers...), append([]sandbox.Mount{}, view.Mounts...)
		s.Containers = append(s.Containers, view)
		if c.process != nil {
			s.Processes = append(s.Processes, *c.process)
		}
	}
	a.addTerminals(&s)
	sort.Slice(s.Processes, func(i, j int) bool { return s.Processes[i].PID < s.Processes[j].PID })
	s.Networks = a.networks()
	for _, fn := range a.change {
		fn(&s)
	}
	return s
}

// own is a process of the node itself.
func (a *Agent) own(pid, parent int, role, name string, args ...string) sandbox.Process {
	return sandbox.Process{
		PID: pid, PPID: parent, Inside: pid, Name: name, Args: args, State: "S", Role: role, NS: a.node.NS, RSS: 2 << 20, Threads: []sandbox.Thread{},
	}
}

func (a *Agent) addTerminals(s *sandbox.Snapshot) {
	for id, t := range a.terminals {
		t.mu.Lock()
		attached, size := t.attached, t.size
		t.mu.Unlock()
		s.Terminals = append(s.Terminals, sandbox.TerminalStatus{ID: id, Target: t.target, PID: t.pid, Attached: attached, Size: size})
		p := a.own(t.pid, a.node.AgentPID, "shell", "sh", "sh")
		if c := a.container(t.target); c != nil {
			p.Role, p.Container, p.NS = "", c.view.ID, c.view.NS
		}
		s.Processes = append(s.Processes, p)
	}
	sort.Slice(s.Terminals, func(i, j int) bool { return s.Terminals[i].ID < s.Terminals[j].ID })
}

func (p *pod) status() sandbox.Pod {
	out := p.pod
	st := sandbox.PodStatus{Phase: "Running", PodIP: p.ip, HostIP: "10.88.0.1", StartTime: out.Metadata.CreationTimestamp}
	running, failed := 0, 0
	for _, c := range p.apps {
		status := sandbox.ContainerStatus{
			Name: c.spec.Name, Image: c.spec.Image, ImageID: c.spec.Image, RestartCount: c.view.Restarts, ContainerID: "podlab://" + c.view.ID,
			Ready: c.view.State == sandbox.StateRunning,
		}
		switch c.view.State {
		case sandbox.StateRunning:
			running++
			status.State.Running = &sandbox.ContainerRunning{StartedAt: out.Metadata.CreationTimestamp}
			status.LastState.Terminated = c.last
		case sandbox.StateWaiting:
			running++
			status.State.Waiting = &sandbox.ContainerWaiting{Reason: c.view.Reason}
			status.LastState.Terminated = c.last
		default:
			status.State.Terminated = c.last
			if c.view.ExitCode != 0 {
				failed++
			}
		}
		st.ContainerStatuses = append(st.ContainerStatuses, status)
	}
	if running == 0 {
		st.Phase = "Succeeded"
		if failed > 0 {
			st.Phase = "Failed"
		}
	}
	out.Status = st
	return out
}

func (a *Agent) networks() []sandbox.Network {
	loopback := sandbox.Interface{Name: "lo", Kind: "loopback", Index: 1, Addrs: []string{"127.0.0.1/8"}, Up: true, MTU: 65536}
	node := sandbox.Network{Inode: a.node.NS.Net, Routes: []sandbox.Route{{Dst: "10.88.0.0/24", Dev: "pods0"}}, Sockets: []sandbox.Socket{}}
	node.Interfaces = []sandbox.Interface{loopback, {Name: "pods0", Kind: "bridge", Index: 2, Addrs: []string{"10.88.0.1/24"}, Up: true, MTU: 1500}}
	out := []sandbox.Network{}
	for i, p := range a.pods {
		if p.infra.process == nil || p.pod.Spec.HostNetwork {
			continue
		}
		node.Interfaces = append(node.Interfaces, sandbox.Interface{
			Name: fmt.Sprintf("veth%d", i), Kind: "veth", Index: 3 + i, Peer: 2, Master: "pods0", Up: true, MTU: 1500, Addrs: []string{},
		})
		card := sandbox.Interface{Name: "eth0", Kind: "veth", Index: 2, Peer: 3 + i, MAC: p.mac, Addrs: []string{p.ip + "/24"}, Up: true, MTU: 1500}
		out = append(out, sandbox.Network{
			Inode: p.infra.view.NS.Net, Owner: p.pod.Metadata.Name, Interfaces: []sandbox.Interface{loopback, card},
			Routes: []sandbox.Route{{Dst: "default", Gateway: "10.88.0.1", Dev: "eth0"}, {Dst: "10.88.0.0/24", Dev: "eth0"}}, Sockets: p.sockets(),
		})
	}
	seen := map[uint64]bool{node.Inode: true}
	for _, n := range out {
		seen[n.Inode] = true
	}
	for _, c := range a.plain {
		if c.process != nil && !seen[c.view.NS.Net] {
			seen[c.view.NS.Net] = true
			out = append(out, sandbox.Network{
				Inode: c.view.NS.Net, Owner: c.view.ID, Interfaces: []sandbox.Interface{loopback}, Routes: []sandbox.Route{}, Sockets: []sandbox.Socket{},
			})
		}
	}
	return append([]sandbox.Network{node}, out...)
}

// sockets lists a listener for each declared port, and nginx's.
func (p *pod) sockets() []sandbox.Socket {
	out := []sandbox.Socket{}
	for _, c := range p.apps {
		if c.process == nil {
			continue
		}
		ports := []int{}
		for _, port := range c.spec.Ports {
			ports = append(ports, port.ContainerPort)
		}
		if c.process.Name == "nginx" && !slices.Contains(ports, 80) {
			ports = append(ports, 80)
		}
		for _, port := range ports {
			out = append(out, sandbox.Socket{
				Proto: "tcp", Local: fmt.Sprintf("0.0.0.0:%d", port), State: "LISTEN", Inode: uint64(40000 + c.process.PID*10 + port%10),
				PIDs: []int{c.process.PID}, Container: c.view.ID,
			})
		}
	}
	return out
}
