package agent

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"podlab/sandbox"
	"podlab/sandbox/internal/observe"
)

// How often the node is looked at while someone watches: burst times, gap apart, when something begins to happen (what the first look came too
// early for, the second shows), then no faster than pace; on a busy machine no more than one part in share of the time, and at least
// every tick for what tells nobody that it changes (sockets, files in volumes, use of memory and CPU).
const (
	gap   = 25 * time.Millisecond
	pace  = 100 * time.Millisecond
	burst = 2
	share = 10
	tick  = time.Second
)

// watch looks at the node for everyone who watches, and does nothing while nobody does.
type watch struct {
	observer *observe.Observer
	read     func(*observe.Observer) sandbox.Snapshot
	changed  <-chan struct{} // from the engine
	poked    chan struct{}   // from terminals and watchers
	moments  *moments

	looking    sync.Mutex // held while the node is read
	throttling throttling

	mu       sync.Mutex
	watchers int
	latest   sandbox.Snapshot
	print    uint64
	version  uint64
	news     chan struct{} // closed by the next version
	begin    chan struct{} // wakes run when the first watcher comes
}

func newWatch(read func(*observe.Observer) sandbox.Snapshot, changed <-chan struct{}, m *moments) *watch {
	return &watch{
		observer: &observe.Observer{Life: life(), Proc: "/proc", Cgroup: "/sys/fs/cgroup", Disk: DiskDir},
		read:     read, changed: changed, poked: make(chan struct{}, 1), moments: m, news: make(chan struct{}), begin: make(chan struct{}, 1),
	}
}

// poke says that something may have changed.
func (w *watch) poke() {
	select {
	case w.poked <- struct{}{}:
	default:
	}
}

// run looks again and again while someone watches.
func (w *watch) run(ctx context.Context) error {
	next := newPaces() // the first change after a pause is looked at at once
	for {
		w.mu.Lock()
		watched := w.watchers > 0
		w.mu.Unlock()
		if !watched {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-w.begin:
			}
			continue
		}
		timer := time.NewTimer(tick)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-w.changed:
		case <-w.poked:
		case <-timer.C:
		}
		timer.Stop()
		if err := next.wait(ctx); err != nil {
			return err
		}
		began := time.Now()
		w.look()
		next.looked(began)
	}
}

// paces say when the node may be looked at again.
type paces struct {
	looks *rate.Limiter
	rest  time.Time // no look before it
}

func newPaces() paces { return paces{looks: rate.NewLimiter(rate.Every(pace), burst)} }

// wait waits for the next look.
func (p *paces) wait(ctx context.Context) error {
	rest := time.NewTimer(time.Until(p.rest))
	defer rest.Stop()
	select {
	case <-rest.C:
		return p.looks.Wait(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// looked ends a look that began then.
func (p *paces) looked(began time.Time) {
	p.rest = began.Add(min(max(gap, share*time.Since(began)), tick))
}

// look reads the node; a snapshot that shows something new becomes the latest.
func (w *watch) look() (sandbox.Snapshot, uint64) {
	w.looking.Lock()
	defer w.looking.Unlock()
	s := w.read(w.observer)
	for _, m := range w.throttling.look(&s) {
		w.moments.add(m)
	}
	print := observe.Fingerprint(&s)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.version == 0 || print != w.print {
		w.latest, w.print = s, print
		w.version++
		close(w.news)
		w.news = make(chan struct{})
	}
	return w.latest, w.version
}

func (w *watch) enter() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watchers++
	select {
	case w.begin <- struct{}{}:
	default:
	}
}

func (w *watch) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watchers--
}

func (w *watch) newest() (sandbox.Snapshot, uint64, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.latest, w.version, w.news
}

// Snapshot reads the node now.
func (a *Agent) Snapshot(context.Context) (sandbox.Snapshot, error) {
	s, _ := a.watch.look()
	return s, nil
}

// Watch calls fn with the node as it is, then with every change: the newest snapshot, and every moment.
func (a *Agent) Watch(ctx context.Context, poke <-chan struct{}, fn func(sandbox.Update) error) error {
	w := a.watch
	w.enter()
	defer w.leave()
	snapshot, version := w.look()
	update := sandbox.Update{Snapshot: &snapshot}
	var seq uint64
	for {
		var happened <-chan struct{}
		if update.Moments, happened = w.moments.after(seq); update.Moments != nil {
			seq = update.Moments.Items[len(update.Moments.Items)-1].Seq
		}
		if update.Snapshot != nil || update.Moments != nil {
			if err := fn(update); err != nil {
				return err
			}
		}
		update = sandbox.Update{}
		newest, newer, news := w.newest()
		if newer == version {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case _, ok := <-poke:
				if !ok {
					poke = nil
				}
				w.poke()
				continue
			case <-happened:
				continue
			case <-news:
				newest, newer, _ = w.newest()
			}
		}
		version, update.Snapshot = newer, &newest
	}
}
