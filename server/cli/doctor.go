package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

type doctorCmd struct {
	Data string `help:"Data directory, for the disk check." default:"/var/lib/podlab" placeholder:"DIR"`
}

// finding is one line of the doctor's answer.
type finding struct {
	name    string
	ok      bool
	says    string
	remedy  string
	warning bool // it works without, but less well
}

// Run prints what this machine has and lacks. It fails when something needed is missing.
func (c *doctorCmd) Run(e *env) error {
	findings := append(machine("/", c.Data), e.daemon()...)
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
		fmt.Fprintf(e.Out, "%s  %-16s %s\n", mark, f.name, f.says)
		if !f.ok && f.remedy != "" {
			fmt.Fprintf(e.Out, "      %-16s → %s\n", "", f.remedy)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks failed", bad, len(findings))
	}
	return nil
}

// daemon asks the root daemon what it found.
func (e *env) daemon() []finding {
	ctx, cancel := context.WithTimeout(e.ctx, 3*time.Second)
	defer cancel()
	info, err := e.nodes.Info(ctx)
	if err != nil {
		remedy := "start it: sudo ./scripts/run"
		if errors.Is(err, fs.ErrPermission) {
			remedy = "its socket is for root and group podlab: use sudo"
		}
		return []finding{{name: "daemon", says: explain(err), remedy: remedy}}
	}
	out := []finding{
		{name: "daemon", ok: true, says: fmt.Sprintf("answers; %d of %d nodes", info.Nodes, info.MaxNodes)},
		{name: "kernel events", ok: info.Tracer == "ebpf", warning: true, says: tracers[info.Tracer],
			remedy: "a kernel with BTF and BPF, and root's CAP_BPF, give all events at once"},
	}
	for _, missing := range info.Missing {
		out = append(out, finding{name: "missing", says: missing.Params["feature"], remedy: missing.Params["remedy"]})
	}
	return out
}

var tracers = map[string]string{
	"ebpf": "by eBPF: every fork, exec and exit",
	"proc": "by the kernel's proc connector",
	"poll": "by looking again and again: short-lived processes may be missed",
}
