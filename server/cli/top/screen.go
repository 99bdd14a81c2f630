package top

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gdamore/tcell/v2"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// Node is what is shown, and who tells of it.
type Node struct {
	ID    string
	Nodes sandbox.Nodes
	Agent sandbox.Agent
}

// maxPane is how many lines the newest moments take at most.
const maxPane = 8

const help = "q quit · p pause · ↑ ↓ PgUp PgDn Home · letters: the same letter is the same namespace, · is the node's own"

// view is the screen with a picture on it.
type view struct {
	screen tcell.Screen
	pic    picture
	paused bool
	next   *sandbox.Snapshot // the newest, not yet in the picture
	news   sandbox.Moments   // that are not yet in the picture
	top    int               // first row shown
	error  string            // why nothing new comes
}

// Run shows the node until q is pressed, ctx ends or the node is gone. It owns the screen, which is not initialised yet.
func Run(ctx context.Context, node Node, screen tcell.Screen) error {
	if err := screen.Init(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	keys, what, poke := make(chan tcell.Event), make(chan news), make(chan struct{}, 1)
	var readers sync.WaitGroup
	readers.Go(func() { screen.ChannelEvents(keys, ctx.Done()) })
	readers.Go(func() { cancel(follow(ctx, node.Agent, poke, what)) })
	readers.Go(func() { cancel(kernel(ctx, node.Nodes, node.ID, poke, what)) })
	v := &view{screen: screen, pic: picture{node: node.ID, ends: map[int]string{}}}
	err := v.loop(ctx, keys, what)
	cancel(nil)
	screen.Fini()
	readers.Wait()
	return err
}

func (v *view) loop(ctx context.Context, keys <-chan tcell.Event, what <-chan news) error {
	tick := time.NewTicker(time.Second / 2) // what lingers goes, ages grow
	defer tick.Stop()
	for {
		select {
		case event, ok := <-keys:
			if !ok { // as ctx ended
				return why(ctx)
			}
			if v.key(event) {
				return nil
			}
		case n := <-what:
			if v.take(n); v.paused {
				continue
			}
		case <-tick.C:
			if v.paused {
				continue
			}
		case <-ctx.Done():
			return why(ctx)
		}
		v.draw(time.Now())
	}
}

// why is what the node's news ended with, nil when it was the caller who ended them.
func why(ctx context.Context) error {
	if err, ok := errors.AsType[*sandbox.Error](context.Cause(ctx)); ok {
		return err
	}
	return nil
}

// take takes news in, or keeps the newest of them until the pause is over.
func (v *view) take(n news) {
	v.error = ""
	if n.err != nil {
		v.error = n.err.Error()
	}
	if n.Moments != nil {
		v.news.Lost += n.Moments.Lost
		v.news.Items = append(v.news.Items, n.Moments.Items...)
		v.news.Items = v.news.Items[max(0, len(v.news.Items)-maxMoments):]
	}
	if n.Snapshot != nil {
		v.next = n.Snapshot
	}
	if !v.paused {
		v.goOn()
	}
}

// goOn brings the picture up to date.
func (v *view) goOn() {
	v.pic.told(v.news)
	v.news = sandbox.Moments{}
	if v.next != nil {
		v.pic.look(*v.next, time.Now())
		v.next = nil
	}
}

// key reports whether the key ends it.
func (v *view) key(event tcell.Event) (quit bool) {
	key, ok := event.(*tcell.EventKey)
	if !ok {
		v.screen.Sync() // its size changed
		return false
	}
	_, height := v.screen.Size()
	switch key.Key() {
	case tcell.KeyCtrlC, tcell.KeyEscape:
		return true
	case tcell.KeyUp:
		v.top--
	case tcell.KeyDown:
		v.top++
	case tcell.KeyPgUp:
		v.top -= height / 2
	case tcell.KeyPgDn:
		v.top += height / 2
	case tcell.KeyHome:
		v.top = 0
	case tcell.KeyRune:
		switch key.Rune() {
		case 'q':
			return true
		case 'p', ' ':
			if v.paused = !v.paused; !v.paused {
				v.goOn()
			}
		}
	}
	return false
}

// Colours of marks: a terminal's own, so that they fit its theme.
var colours = []tcell.Color{tcell.ColorTeal, tcell.ColorOlive, tcell.ColorPurple, tcell.ColorGreen, tcell.ColorNavy, tcell.ColorMaroon}

func (v *view) draw(now time.Time) {
	v.screen.Clear()
	width, height := v.screen.Size()
	plain := tcell.StyleDefault
	state := ""
	switch {
	case v.paused:
		state = "  PAUSED"
	case v.error != "":
		state = "  no news: " + v.error
	}
	v.put(0, v.pic.head()+state, plain.Bold(true))
	v.put(1, columns(), plain.Underline(true))
	pane := min(maxPane, max(0, height-8)/2)
	rows := v.pic.rows(now)
	space := max(0, height-3-pane)
	v.top = max(0, min(v.top, len(rows)-space))
	for i, r := range rows[v.top:min(len(rows), v.top+space)] {
		v.row(i+2, width, r, now)
	}
	if below := len(rows) - v.top - space; below > 0 {
		v.put(1+space, fmt.Sprintf("… %d more below", below+1), plain.Dim(true))
	}
	v.pane(height-1-pane, pane)
	v.put(height-1, help, plain.Dim(true))
	v.screen.Show()
}

// row draws one process: new in bold, ended dim, a zombie red, each namespace's letter in its colour.
func (v *view) row(y, width int, r row, now time.Time) {
	style := tcell.StyleDefault
	switch {
	case r.ended != "":
		style = style.Dim(true)
	case r.State == "Z":
		style = style.Foreground(tcell.ColorMaroon)
	case v.pic.fresh(r, now):
		style = style.Bold(true)
	}
	v.put(y, v.pic.line(r), style)
	for k, mark := range v.pic.marks.of(r.NS) {
		if x := marksAt + k*marksStep; x < width && mark >= 'A' {
			v.screen.SetContent(x, y, mark, nil, style.Foreground(colours[int(mark)%len(colours)]))
		}
	}
}

// pane draws the newest moments, the newest last.
func (v *view) pane(y, lines int) {
	if lines < 2 {
		return
	}
	title := "What happened"
	if v.pic.lost > 0 {
		title += fmt.Sprintf(" (lost %d)", v.pic.lost)
	}
	v.put(y, title, tcell.StyleDefault.Bold(true))
	newest := v.pic.moments[max(0, len(v.pic.moments)-lines+1):]
	now := sinceBoot()
	for i, m := range newest {
		v.put(y+1+i, momentLine(m, now-time.Duration(m.Time)*time.Microsecond), tcell.StyleDefault)
	}
}

// put writes a line, which tcell cuts at the screen's edge.
func (v *view) put(y int, text string, style tcell.Style) {
	if y >= 0 {
		v.screen.PutStrStyled(0, y, text, style)
	}
}

// sinceBoot reads CLOCK_BOOTTIME, the clock of Moment.Time.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // it cannot fail since Linux 2.6.39
	return time.Duration(ts.Nano())
}
