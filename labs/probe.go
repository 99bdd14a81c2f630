package labs

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"podlab/sandbox"
)

// Limits of probes.
const (
	probeGap   = 2 * time.Second // between two runs of one probe
	probeTime  = 2 * time.Second // that one run may take
	maxBody    = 64 << 10        // of what is looked at
	maxHeaders = 32 << 10
)

// probe runs the probes of checks whose guard holds, one at a time, for as long as they are wanted.
func (s *session) probe(ctx context.Context, agent sandbox.Agent) error {
	last := map[*Check]time.Time{}
	timer := stopped()
	defer timer.Stop()
	for {
		select {
		case <-s.probing:
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		next := time.Duration(0)
		for _, c := range s.dueProbes() {
			if wait := probeGap - time.Since(last[c]); wait > 0 {
				next = soonest(next, wait)
				continue
			}
			s.asking.Store(true)
			holds := c.ask(ctx, agent)
			s.asking.Store(false)
			last[c] = time.Now()
			if s.answered(c, holds) {
				next = soonest(next, probeGap)
			}
		}
		if next > 0 {
			timer.Reset(next)
		}
	}
}

func soonest(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

func (s *session) dueProbes() []*Check {
	s.learner.mu.Lock()
	defer s.learner.mu.Unlock()
	if s.attempt == nil {
		return nil
	}
	return s.attempt.due()
}

// answered takes a probe's result; it reports whether the probe is wanted again.
func (s *session) answered(c *Check, holds bool) (again bool) {
	l := s.learner
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.attempt == nil {
		return false
	}
	if _, ok := s.attempt.step.Check(c.ID); !ok {
		return false
	}
	if s.attempt.probed(c, holds, time.Now().UnixMilli()) {
		s.changed()
	}
	l.notify()
	return c.Hold || !holds
}

// ask runs the check's probe once.
func (c *Check) ask(ctx context.Context, agent sandbox.Agent) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if c.Exec != nil {
		return c.Exec.ask(ctx, agent)
	}
	return c.HTTP.ask(ctx, agent)
}

func (p *ExecProbe) ask(ctx context.Context, agent sandbox.Agent) bool {
	out := &bounded{limit: maxBody}
	spec := sandbox.ExecSpec{Container: p.Container, Argv: p.Argv, Hidden: true}
	exit, err := agent.Exec(ctx, spec, sandbox.Streams{Out: out})
	if code, ok := sandbox.ExitOf(err); ok { // "there is no such program" is an answer too
		exit, err = sandbox.Exit{Code: code}, nil
	}
	return err == nil && exit.Code == p.Exit && p.Expect.Match(out.data)
}

// ask speaks HTTP over a connection from inside the node. What answers is the learner's: everything is bounded.
func (p *HTTPProbe) ask(ctx context.Context, agent sandbox.Agent) bool {
	conn, err := agent.Dial(ctx, p.Pod, p.Port)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	host := net.JoinHostPort(p.Pod, strconv.Itoa(p.Port))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+p.Path, nil)
	if err != nil {
		return false
	}
	request.Close = true
	if err := request.Write(conn); err != nil {
		return false
	}
	reader := bufio.NewReader(io.LimitReader(conn, maxHeaders+maxBody))
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil && len(body) < maxBody {
		return false
	}
	return response.StatusCode == p.Status && p.Expect.Match(body)
}
