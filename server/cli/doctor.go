package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"podlab/sandbox"
)

type doctorCmd struct {
	Data string `help:"Data directory, for the disk check." default:"/var/lib/podlab" placeholder:"DIR"`
	Lang string `help:"Language of the answer, en or zh; that of the shell by default." env:"PODLAB_LANG,LC_ALL,LANG" placeholder:"LANG"`
}

// finding is one line of the doctor's answer.
type finding struct {
	name    string
	ok      bool
	says    phrase
	remedy  phrase
	warning bool // it works without, but less well
}

// Run prints what this machine has and lacks. It fails when something needed is missing.
func (c *doctorCmd) Run(e *env) error {
	findings := join(machine("/", c.Data), e.daemon())
	bad := 0
	for _, f := range findings {
		mark := "ok  "
		switch {
		case !f.ok && f.warning:
			mark = "warn"
		case !f.ok:
			mark = "BAD "
			bad++
		}
		fmt.Fprintf(e.Out, "%s  %-16s %s\n", mark, f.name, f.says.in(c.Lang))
		if remedy := f.remedy.in(c.Lang); !f.ok && remedy != "" {
			fmt.Fprintf(e.Out, "      %-16s → %s\n", "", remedy)
		}
	}
	if bad > 0 {
		return errors.New(text("%d of %d checks failed", bad, len(findings)).in(c.Lang))
	}
	return nil
}

// daemon asks the root daemon what it found.
func (e *env) daemon() []finding {
	ctx, cancel := context.WithTimeout(e.ctx, 3*time.Second)
	defer cancel()
	info, err := e.nodes.Info(ctx)
	if err != nil {
		f := finding{name: "daemon", says: text("it gives no answer: %s", explain(err)), remedy: text("start it: sudo ./scripts/run")}
		switch {
		case errors.Is(err, fs.ErrPermission):
			f.says, f.remedy = text("you may not ask it: its socket is for root and group podlab"), text("use sudo")
		case sandbox.CodeOf(err) == sandbox.CodeNotFound:
			f.says = text("the root daemon does not run here, or --run names another directory")
		}
		return []finding{f}
	}
	return found(info)
}

// found says what the daemon told of this machine.
func found(info sandbox.HostInfo) []finding {
	out := []finding{
		{name: "daemon", ok: true, says: text("answers; %d of %d nodes", info.Nodes, info.MaxNodes)},
		{name: "kernel events", ok: info.Tracer == "ebpf", warning: true, says: tracers[info.Tracer],
			remedy: text("a kernel with BTF and BPF, and root's CAP_BPF, give all events at once")},
	}
	for _, missing := range info.Missing {
		feature := missing.Params["feature"]
		says, known := features[feature]
		if !known {
			says = command(feature)
		}
		out = append(out, finding{name: feature, warning: feature == "btf", says: says,
			remedy: text("%s, then start Podlab again: it looks at its start", missing.Params["remedy"])})
	}
	return out
}

// join puts what the daemon found beside what the machine shows: one trouble, one line. Where the machine shows nothing wrong, the daemon,
// which has tried, knows better; else the machine's line says more.
func join(machine, daemon []finding) []finding {
	for _, f := range daemon {
		i := slices.IndexFunc(machine, func(shown finding) bool { return shown.name == shownAs[f.name] })
		switch {
		case i < 0:
			machine = append(machine, f)
		case machine[i].ok:
			f.name = machine[i].name
			machine[i] = f
		}
	}
	return machine
}

// shownAs has the names of machine's findings by what the daemon may find missing.
var shownAs = map[string]string{
	"overlay": "overlay", "loop": "loop devices", "seccomp": "seccomp", "btf": "eBPF", "mkfs.ext4": "mkfs.ext4", "user_namespaces": "user namespaces",
	"cgroup_memory": "control groups", "cgroup_pids": "control groups", "cgroup_cpu": "control groups",
}

// tracers are the ways in which the daemon learns of processes.
var tracers = map[string]phrase{
	"ebpf": text("by eBPF: every fork, exec and exit"),
	"proc": text("by the kernel's proc connector"),
	"poll": text("by looking again and again: short-lived processes may be missed"),
}

// features says what each one that the daemon may miss (sandbox/internal/features) is for.
var features = map[string]phrase{
	"overlay":         text("containers' roots cannot be made of layers: the kernel has no file system overlay"),
	"ext4":            text("nodes' disks cannot be mounted: the kernel has no file system ext4"),
	"loop":            text("nodes' disks cannot be limited: there are no loop devices"),
	"seccomp":         text("the kernel cannot filter system calls"),
	"btf":             text("kernel events come slower, or by looking again and again: the kernel does not tell its types"),
	"mkfs.ext4":       text("there is no such program: nodes' disks cannot be formatted"),
	"cgroup_memory":   text("a node's memory cannot be limited: control groups lack the controller"),
	"cgroup_pids":     text("a node's processes cannot be limited: control groups lack the controller"),
	"cgroup_cpu":      text("a node's processor time cannot be limited: control groups lack the controller"),
	"user_namespaces": text("the kernel made no user namespace when the daemon asked for one"),
	"idmapped_mounts": text("the images cannot be given to nodes: no mount with other ids, by this kernel or the file system of --data"),
}
