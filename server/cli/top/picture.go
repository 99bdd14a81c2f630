package top

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/text"
)

// lingers is how long a process that has ended stays, and how long a new one is marked.
const lingers = 2 * time.Second

// picture is what is known of the node: the newest snapshot, what has come and gone lately, and the newest moments.
type picture struct {
	node     string
	snapshot sandbox.Snapshot
	marks    marks
	born     map[key]time.Time // when it was first seen here; zero for what was there at the beginning
	gone     []ghost
	ends     map[int]string // how processes ended, by pid, until the snapshot without them
	moments  []sandbox.Moment
	lost     uint64 // moments
}

// key names a process for ever.
type key struct {
	pid   int
	start int64
}

// ghost is a process that has ended, and when.
type ghost struct {
	row
	at time.Time
}

// maxMoments are kept for the screen.
const maxMoments = 100

func keyOf(p sandbox.Process) key { return key{p.PID, p.Start} }

// look takes a new snapshot.
func (p *picture) look(s sandbox.Snapshot, now time.Time) {
	first := p.born == nil
	before := p.born
	p.born = map[key]time.Time{}
	for _, process := range s.Processes {
		k := keyOf(process)
		switch at, known := before[k]; {
		case known:
			p.born[k] = at
		case first:
			p.born[k] = time.Time{}
		default:
			p.born[k] = now
		}
	}
	for _, process := range p.snapshot.Processes {
		if _, lives := p.born[keyOf(process)]; !lives {
			how, told := p.ends[process.PID]
			if !told {
				how = "ended"
			}
			p.gone = append(p.gone, ghost{row{Process: process, ended: how}, now})
		}
	}
	clear(p.ends)
	p.snapshot = s
	p.marks.assign(&s)
}

// told takes moments.
func (p *picture) told(ms sandbox.Moments) {
	p.lost += ms.Lost
	for _, m := range ms.Items {
		if m.Kind == sandbox.MomentHidden {
			continue
		}
		if m.Kind == sandbox.MomentExit && !m.Thread && len(p.ends) < maxMoments {
			p.ends[m.PID] = end(m)
		}
		p.moments = append(p.moments, m)
	}
	slices.SortStableFunc(p.moments, func(a, b sandbox.Moment) int { return cmp.Compare(a.Time, b.Time) }) // agent and kernel tell each on their own
	if over := len(p.moments) - maxMoments; over > 0 {
		p.moments = append([]sandbox.Moment(nil), p.moments[over:]...)
	}
}

func end(m sandbox.Moment) string {
	if m.Signal > 0 {
		return fmt.Sprintf("ended by signal %d", m.Signal)
	}
	return fmt.Sprintf("ended with %d", m.Code)
}

// rows is the tree with what has ended lately in its place.
func (p *picture) rows(now time.Time) []row {
	var all []row
	taken := map[int]bool{}
	for _, process := range p.snapshot.Processes {
		all = append(all, row{Process: process})
		taken[process.PID] = true
	}
	var still []ghost
	for _, g := range p.gone {
		if now.Sub(g.at) >= lingers {
			continue
		}
		still = append(still, g)
		if !taken[g.PID] {
			all = append(all, g.row)
			taken[g.PID] = true
		}
	}
	p.gone = still
	return tree(all)
}

// fresh reports whether a process is new.
func (p *picture) fresh(r row, now time.Time) bool {
	at := p.born[keyOf(r.Process)]
	return !at.IsZero() && now.Sub(at) < lingers
}

// head is the first line: whose node this is and what it uses.
func (p *picture) head() string {
	n := p.snapshot.Node
	return fmt.Sprintf("%s · %s · %d processes · memory %s · pids %s", p.node, n.Kernel, len(p.snapshot.Processes),
		use(n.Usage.Memory>>20, n.Usage.MemoryLimit>>20, " MiB"), use(n.Usage.PIDs, n.Usage.PIDsLimit, ""))
}

func use(used, limit int64, unit string) string {
	if limit == 0 {
		return fmt.Sprintf("%d%s", used, unit)
	}
	return fmt.Sprintf("%d of %d%s", used, limit, unit)
}

// columns is the line above the rows.
func columns() string {
	names := make([]string, 0, len(kinds))
	for _, kind := range kinds {
		names = append(names, kind.name)
	}
	return fmt.Sprintf("%7s %6s S %7s %3s %s  %-18s %s", "PID", "INSIDE", "RSS", "THR", strings.Join(names, " "), "CONTAINER", "COMMAND")
}

// Where columns() has the marks: the first's, and from one to the next.
const (
	marksAt   = 30
	marksStep = 4
)

// line is a row as text.
func (p *picture) line(r row) string {
	var marks strings.Builder
	for _, mark := range p.marks.of(r.NS) {
		if mark == 0 {
			mark = unknown
		}
		fmt.Fprintf(&marks, " %c  ", mark)
	}
	command := strings.Join(r.Args, " ")
	if command == "" {
		command = "[" + r.Name + "]"
	}
	if r.ended != "" {
		command += " — " + r.ended
	}
	return fmt.Sprintf("%7d %6d %s %7s %3d %s %s %s%s", r.PID, r.Inside, letter(r.State), kib(r.RSS), len(r.Threads)+1, marks.String(),
		pad(r.where(), 18), r.branch, text.Clean(command, 512))
}

func letter(state string) string {
	if len(state) != 1 {
		return "?"
	}
	return state
}

// where is the container, or what the process is to the node.
func (r row) where() string {
	if r.Container != "" {
		return r.Container
	}
	if r.Role != "" {
		return "node " + r.Role
	}
	return "node"
}

func kib(bytes int64) string {
	if bytes >= 10<<20 {
		return fmt.Sprintf("%d M", bytes>>20)
	}
	return fmt.Sprintf("%d K", bytes>>10)
}

// pad cuts or fills a name, which is plain ASCII or nearly, to a width.
func pad(name string, width int) string {
	runes := []rune(text.Clean(name, 4*width))
	if len(runes) > width {
		runes = append(runes[:width-1], '…')
	}
	return string(runes) + strings.Repeat(" ", width-len(runes))
}

// momentLine is a moment as text; since is how long ago it was.
func momentLine(m sandbox.Moment, since time.Duration) string {
	what := m.Name
	if m.PID > 0 {
		what = fmt.Sprintf("%s (%d)", m.Name, m.PID)
	}
	var more []string
	switch m.Kind {
	case sandbox.MomentFork:
		more = append(more, fmt.Sprintf("by %d", m.PPID))
	case sandbox.MomentExit:
		more = append(more, strings.TrimPrefix(end(m), "ended "))
	case sandbox.MomentReparent:
		more = append(more, fmt.Sprintf("to %d", m.PPID))
	}
	if m.Thread {
		more = append(more, "thread")
	}
	for _, word := range []string{m.Path, m.Reason, m.Container, m.Pod} {
		if word != "" {
			more = append(more, word)
		}
	}
	return text.Clean(fmt.Sprintf("%8.3f s ago  %-9s %s %s", since.Seconds(), m.Kind, what, strings.Join(more, " · ")), 512)
}

// print writes the picture once, for pipes and for who reads without looking.
func (p *picture) print(out io.Writer, now time.Time) error {
	if _, err := fmt.Fprintf(out, "%s\n%s\n", p.head(), columns()); err != nil {
		return err
	}
	for _, r := range p.rows(now) {
		if _, err := fmt.Fprintln(out, p.line(r)); err != nil {
			return err
		}
	}
	return nil
}
