package labs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"podlab/sandbox"
	"podlab/sandbox/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ann  = "ann"
	lab1 = "1.1-demo"
	lab2 = "1.2-other"
)

// rig is sessions over a fake daemon and a store in memory.
type rig struct {
	*testing.T
	nodes *fake.Nodes
	store *memory
	log   bytes.Buffer // to be read when the sessions are closed
	*Sessions
}

// in runs a test in a bubble of synctest: time is the test's own.
func in(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, nodes: fake.New(), store: newMemory()}
		r.open()
		defer func() {
			if err := r.Sessions.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(r)
	})
}

func (r *rig) open() {
	r.Helper()
	course, err := Load(os.DirFS("testdata/course"))
	if err != nil {
		r.Fatal(err)
	}
	r.Sessions, err = Open(r.Context(), Config{Course: course, Nodes: r.nodes, Store: r.store, Log: slog.New(slog.NewTextHandler(&r.log, nil))})
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) look(learner, lab, step string) *page1 {
	r.Helper()
	sub, err := r.Subscribe(learner, lab, step)
	r.ok(err)
	return &page1{rig: r, sub: sub}
}

// page1 reads frames as a browser does, and keeps what they add up to.
type page1 struct {
	*rig
	sub     *Subscription
	frame   Frame
	snap    *sandbox.Snapshot
	moments []sandbox.Moment
	lost    uint64
}

// until reads frames until one is as wanted.
func (p *page1) until(what string, wanted func(v SessionView) bool) SessionView {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), 3*time.Hour)
	defer cancel()
	for {
		f, err := p.sub.Next(ctx)
		if err != nil {
			p.Fatalf("waiting for %s: %v; last: %+v", what, err, p.frame.Session)
		}
		p.frame = f
		if f.Snapshot != nil {
			p.snap = f.Snapshot
		}
		p.moments = append(p.moments, f.Moments...)
		p.lost += f.Lost
		if wanted(f.Session) {
			return f.Session
		}
	}
}

func (p *page1) phase(phase string) SessionView {
	p.Helper()
	return p.until(phase, func(v SessionView) bool { return v.Phase == phase })
}

// nodeOf gives the node of the learner's record, once what is written behind the page's back is written.
func (r *rig) nodeOf(learner string) *fake.Agent {
	r.Helper()
	synctest.Wait()
	record, ok := r.store.record(learner)
	if !ok {
		r.Fatal("no record")
	}
	agent := r.nodes.Node(record.Node)
	if agent == nil {
		r.Fatal("no node ", record.Node)
	}
	return agent
}

func (r *rig) count() int {
	nodes, _ := r.nodes.List(r.Context())
	return len(nodes)
}

func check(v SessionView, id string) CheckState {
	for _, c := range v.Checks {
		if c.ID == id {
			return c
		}
	}
	return CheckState{}
}

// die ends web as the kernel and the agent would show it.
func (r *rig) die(learner string) {
	r.Helper()
	record, _ := r.store.record(learner)
	agent := r.nodes.Node(record.Node)
	agent.Web = map[string]http.Handler{"demo:80": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello from web") })}
	s, err := agent.Snapshot(r.Context())
	r.ok(err)
	for _, p := range s.Processes {
		if p.Container == "demo/web" && p.Inside == 1 {
			r.nodes.Kernel(record.Node, sandbox.Moment{Kind: sandbox.MomentExit, PID: p.PID, PIDInside: 1, Time: s.Time + 1000})
		}
	}
	agent.Exit("demo/web", sandbox.Exit{Code: 1})
}

func TestStepFromStartToDone(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		if v := p.phase(PhaseNone); v.Step != "start" || len(v.Checks) != 3 || v.OtherLab != "" {
			r.Fatalf("%+v", v)
		}
		r.ok(r.Start(ann, lab1, "start"))
		v := p.phase(PhaseReady)
		if v.Generation != 1 || v.Deadline != v.Started+time.Hour.Milliseconds() || v.Extendable {
			r.Fatalf("%+v", v)
		}
		p.until("solo lives", func(v SessionView) bool { return check(v, "solo-lives").State == CheckPassed })
		r.ok(r.Predict(ann, lab1, "start", "ip-stays", "changes"))
		if err := r.Predict(ann, lab1, "start", "ip-stays", "stays"); sandbox.CodeOf(err) != sandbox.CodeDenied {
			r.Fatal("an answer can be changed:", err)
		}
		r.die(ann)
		v = p.until("all", func(v SessionView) bool { return len(v.StepsDone) == 1 })
		pred := v.Predictions[0]
		if pred.Answer != "changes" || pred.Outcome != "stays" || pred.Missed || pred.Seen["before"] == "" || pred.Seen["before"] != pred.Seen["after"] {
			r.Fatalf("%+v", pred)
		}
		if len(v.Reached) != 1 || check(v, "served").State != CheckPassed {
			r.Fatalf("%+v", v)
		}
		progress, err := r.store.Progress(r.Context(), ann)
		r.ok(err)
		step := progress[lab1].Steps["start"]
		if step.Done == 0 || len(step.Checks) != 3 || step.Predictions["ip-stays"] != (FirstOutcome{"changes", "stays"}) {
			r.Fatalf("%+v", step)
		}
	})
}

func TestMissedPredictionAndHeldCheck(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		r.die(ann)
		p.until("outcome", func(v SessionView) bool { return len(v.Predictions) > 0 && v.Predictions[0].Outcome != "" })
		if err := r.Predict(ann, lab1, "start", "ip-stays", "stays"); sandbox.CodeOf(err) != sandbox.CodeDenied {
			r.Fatal("an answer is taken after it happened:", err)
		}
		v := p.until("done", func(v SessionView) bool { return len(v.StepsDone) == 1 })
		if !v.Predictions[0].Missed {
			r.Fatalf("%+v", v.Predictions)
		}
		r.nodeOf(ann).Exit("solo", sandbox.Exit{Code: 137, Signal: 9})
		v = p.until("lost", func(v SessionView) bool { return check(v, "solo-lives").State == CheckLost })
		if check(v, "restarted").State != CheckPassed || len(v.StepsDone) != 1 {
			r.Fatalf("what was done is not done any more: %+v", v)
		}
	})
}

func TestWrongSolutionIsNamed(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		r.nodeOf(ann).Exit("solo", sandbox.Exit{Code: 1})
		v := p.until("wrong", func(v SessionView) bool { return check(v, "restarted").Wrong == "killed-solo" })
		if c := check(v, "restarted"); c.State != CheckPending || c.Found["restarts"] != "0" {
			r.Fatalf("%+v", c)
		}
	})
}

func TestContinueKeepsTheNodeAndResetMakesAFreshOne(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "next")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		first := r.nodeOf(ann)
		r.ok(r.Start(ann, lab1, "next"))
		v := p.until("done", func(v SessionView) bool { return v.Step == "next" && len(v.StepsDone) == 1 })
		if r.nodeOf(ann) != first || v.Generation != 1 {
			r.Fatal("the node was not kept")
		}
		access, err := r.Agent(ann, lab1)
		r.ok(err)
		r.ok(r.Reset(ann, lab1, "next"))
		p.until("fresh", func(v SessionView) bool { return v.Phase == PhaseReady && v.Generation == 2 })
		if r.nodeOf(ann) == first || len(p.snap.Containers) != 3 {
			r.Fatalf("the node is not fresh: %d containers", len(p.snap.Containers))
		}
		<-access.Gone
		synctest.Wait()
		if r.count() != 1 {
			r.Fatalf("%d nodes", r.count())
		}
	})
}

func TestOneLiveSession(t *testing.T) {
	in(t, func(r *rig) {
		r.ok(r.Start(ann, lab1, "start"))
		p := r.look(ann, lab2, "only")
		defer p.sub.Close()
		p.until("offer", func(v SessionView) bool { return v.OtherLab == lab1 && v.Phase == PhaseNone })
		r.ok(r.Start(ann, lab2, "only"))
		p.until("ready", func(v SessionView) bool { return v.Phase == PhaseReady && v.OtherLab == "" })
		time.Sleep(time.Second)
		if lab, _, _ := r.Live(ann); lab != lab2 || r.count() != 1 {
			r.Fatal(lab, r.count())
		}
		r.ok(r.End(ann, lab2))
		p.phase(PhaseEnded)
		time.Sleep(time.Second)
		if _, ok := r.store.record(ann); ok || r.count() != 0 {
			r.Fatal("something is left", r.count())
		}
	})
}

func TestTimeIsUp(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab2, "only")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab2, "only"))
		p.phase(PhaseReady)
		if err := r.Extend(ann, lab2); sandbox.CodeOf(err) != sandbox.CodeDenied {
			r.Fatal(err)
		}
		began := time.Now()
		v := p.until("warning", func(v SessionView) bool { return v.Extendable })
		if since := time.Since(began).Round(time.Minute); since != 50*time.Minute {
			r.Fatal("warned after", since)
		}
		r.ok(r.Extend(ann, lab2))
		if w := p.until("extended", func(v SessionView) bool { return !v.Extendable }); w.Deadline != v.Deadline+30*time.Minute.Milliseconds() {
			r.Fatalf("%+v", w)
		}
		p.phase(PhaseEnded)
		if since := time.Since(began).Round(time.Minute); since != 90*time.Minute {
			r.Fatal("ended after", since)
		}
		synctest.Wait()
		if r.count() != 0 {
			r.Fatal("the node is left")
		}
	})
}

func TestNobodyLooks(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab2, "only")
		r.ok(r.Start(ann, lab2, "only"))
		p.phase(PhaseReady)
		p.sub.Close()
		time.Sleep(19 * time.Minute)
		if r.count() != 1 {
			r.Fatal("ended too early")
		}
		time.Sleep(2 * time.Minute)
		if _, _, ok := r.Live(ann); ok || r.count() != 0 {
			r.Fatal("lives on without anybody")
		}
	})
}

// life names the life of the agent of a learner's node.
func (r *rig) life(learner string) string {
	r.Helper()
	s, err := r.nodeOf(learner).Snapshot(r.Context())
	r.ok(err)
	return s.Agent
}

func (r *rig) frozen() bool {
	nodes, _ := r.nodes.List(r.Context())
	return len(nodes) == 1 && nodes[0].Frozen
}

func TestUnusedNodeIsFrozenUntilItIsTouched(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		time.Sleep(20 * time.Minute)
		if r.frozen() {
			r.Fatal("frozen while a page is open")
		}
		access, err := r.Agent(ann, lab1)
		r.ok(err)
		term, err := access.Terminal(r.Context(), sandbox.TerminalSpec{ID: "one", Target: "node", Size: sandbox.Size{Cols: 80, Rows: 24}})
		r.ok(err)
		defer term.Close()
		p.sub.Close()
		for _, touch := range []func() error{
			func() error { _, err := term.Write([]byte("x")); return err },
			func() error { _, err := access.Snapshot(r.Context()); return err },
			func() error {
				p := r.look(ann, lab1, "start")
				p.phase(PhaseReady)
				synctest.Wait()
				p.sub.Close()
				return nil
			},
		} {
			time.Sleep(4*time.Minute + 30*time.Second)
			if r.frozen() {
				r.Fatal("frozen too early")
			}
			life := r.life(ann)
			time.Sleep(time.Minute)
			if !r.frozen() || r.life(ann) == life {
				r.Fatal("not frozen, or with its agent")
			}
			r.ok(touch())
			if r.frozen() {
				r.Fatal("still frozen after a touch")
			}
		}
		p = r.look(ann, lab1, "start") // or the session ends: nobody looked for 20 minutes
		p.phase(PhaseReady)
		p.sub.Close()
		time.Sleep(6 * time.Minute)
		r.ok(r.Sessions.Close())
		if !r.frozen() {
			r.Fatal("thawed by the server's end")
		}
		r.open()
		synctest.Wait()
		if !r.frozen() {
			r.Fatal("thawed by the server's start")
		}
		p = r.look(ann, lab1, "start")
		p.until("judged", func(v SessionView) bool { return v.Phase == PhaseReady && check(v, "solo-lives").State == CheckPassed })
		synctest.Wait()
		if r.frozen() {
			r.Fatal("frozen while a page is open")
		}
		p.sub.Close()
		time.Sleep(7 * time.Minute)
		if !r.frozen() {
			r.Fatal("not frozen again")
		}
		r.ok(r.End(ann, lab1))
		synctest.Wait()
		if r.count() != 0 {
			r.Fatal("a frozen node is left")
		}
	})
}

func TestQueueIsFair(t *testing.T) {
	in(t, func(r *rig) {
		synctest.Wait()
		r.nodes.MaxNodes = 1
		r.ok(r.Start("a", lab2, "only"))
		time.Sleep(time.Second)
		pages := map[string]*page1{}
		for place, who := range []string{"b", "c", "d"} {
			p := r.look(who, lab2, "only")
			defer p.sub.Close()
			pages[who] = p
			r.ok(r.Start(who, lab2, "only"))
			p.until("its place", func(v SessionView) bool { return v.Phase == PhaseQueued && v.Place == place })
		}
		r.ok(r.End("c", lab2)) // gives up its place
		pages["d"].until("moved", func(v SessionView) bool { return v.Place == 1 })
		r.ok(r.End("a", lab2))
		pages["b"].phase(PhaseReady)
		pages["d"].until("first", func(v SessionView) bool { return v.Phase == PhaseQueued && v.Place == 0 })
		r.ok(r.Reset("b", lab2, "only")) // who had a node goes on first
		pages["b"].until("fresh", func(v SessionView) bool { return v.Phase == PhaseReady && v.Generation == 2 })
		r.ok(r.End("b", lab2))
		pages["d"].phase(PhaseReady)
	})
}

func TestNodeIsGone(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab2, "only")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab2, "only"))
		p.phase(PhaseReady)
		record, _ := r.store.record(ann)
		r.nodes.Vanish(record.Node)
		if v := p.phase(PhaseGone); v.Error == nil || v.Error.Code != sandbox.CodeNodeGone || v.Error.Params["reason"] != sandbox.GoneInitEnded {
			r.Fatalf("%+v", v)
		}
		r.ok(r.Start(ann, lab2, "only"))
		p.phase(PhaseReady)
		record, _ = r.store.record(ann)
		r.nodes.End(record.Node, sandbox.GoneTooManyGroups)
		if v := p.phase(PhaseGone); v.Error.Params["reason"] != sandbox.GoneTooManyGroups {
			r.Fatalf("%+v", v)
		}
	})
}

// TestNodeIsGoneAtStart: what ended while the server was away is told with its reason. A daemon that knows nothing of the node was stopped
// with it, which is no warning.
func TestNodeIsGoneAtStart(t *testing.T) {
	for reason, end := range map[string]func(*rig, string){
		sandbox.GoneMachineStopped: func(r *rig, _ string) { r.nodes.Forget() },
		sandbox.GoneTooManyGroups:  func(r *rig, id string) { r.nodes.End(id, sandbox.GoneTooManyGroups) },
	} {
		in(t, func(r *rig) {
			p := r.look(ann, lab2, "only")
			r.ok(r.Start(ann, lab2, "only"))
			p.phase(PhaseReady)
			p.sub.Close()
			r.ok(r.Sessions.Close())
			record, _ := r.store.record(ann)
			end(r, record.Node)
			r.open()
			p = r.look(ann, lab2, "only")
			if v := p.phase(PhaseGone); v.Error == nil || v.Error.Code != sandbox.CodeNodeGone || v.Error.Params["reason"] != reason {
				r.Errorf("%s: %+v", reason, v.Error)
			}
			p.sub.Close()
			r.ok(r.Sessions.Close())
			quiet := reason == sandbox.GoneMachineStopped
			if log := r.log.String(); strings.Contains(log, "level=WARN") == quiet || strings.Contains(log, "ended with the machine") != quiet {
				r.Errorf("%s: the log says %s", reason, log)
			}
			r.open() // the rig closes it
			synctest.Wait()
			p = r.look(ann, lab2, "only")
			defer p.sub.Close()
			if v := p.phase(PhaseGone); v.Error == nil || v.Error.Code != sandbox.CodeNodeGone || v.Error.Params["reason"] != reason {
				r.Errorf("%s, after another start: %+v", reason, v.Error)
			}
		})
	}
}

func TestAgentComesBack(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		p.until("judged", func(v SessionView) bool { return check(v, "solo-lives").State == CheckPassed })
		life := p.snap.Agent
		r.nodeOf(ann).Restart()
		p.until("new life", func(SessionView) bool { return p.snap.Agent != life })
		r.die(ann)
		p.until("done", func(v SessionView) bool { return len(v.StepsDone) == 1 })
		if p.lost != 0 {
			r.Fatal("lost", p.lost)
		}
		seen := map[string]map[uint64]bool{sandbox.SourceAgent: {}, sandbox.SourceKernel: {}}
		for _, m := range p.moments {
			if seen[m.Source][m.Seq] {
				r.Fatalf("%s moment %d came twice", m.Source, m.Seq)
			}
			seen[m.Source][m.Seq] = true
		}
	})
}

func TestServerRestart(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		p.until("judged", func(v SessionView) bool { return check(v, "solo-lives").State == CheckPassed })
		r.ok(r.Predict(ann, lab1, "start", "ip-stays", "stays"))
		node := r.nodeOf(ann)
		p.sub.Close()
		r.ok(r.Sessions.Close())
		if _, err := r.nodes.Create(r.Context(), sandbox.NodeSpec{ID: "s-orphan"}); err != nil {
			r.Fatal(err)
		}
		if _, err := r.nodes.Create(r.Context(), sandbox.NodeSpec{ID: "mine"}); err != nil {
			r.Fatal(err)
		}
		r.open()
		p = r.look(ann, lab1, "start")
		defer p.sub.Close()
		v := p.phase(PhaseReady)
		if r.nodeOf(ann) != node || v.Generation != 1 || v.Predictions[0].Answer != "stays" {
			r.Fatalf("%+v", v)
		}
		r.die(ann)
		v = p.until("done", func(v SessionView) bool { return len(v.StepsDone) == 1 })
		if v.Predictions[0].Outcome != "stays" {
			r.Fatalf("%+v", v.Predictions)
		}
		if r.nodes.Node("s-orphan") != nil || r.nodes.Node("mine") == nil {
			r.Fatal("orphans were not told from others")
		}
	})
}

// away is a daemon that cannot be reached for a while.
type away struct {
	sandbox.Nodes
	gone atomic.Bool
}

func (a *away) err() error {
	if a.gone.Load() {
		return sandbox.Errorf(sandbox.CodeUnavailable)
	}
	return nil
}

func (a *away) List(ctx context.Context) ([]sandbox.Node, error) {
	if err := a.err(); err != nil {
		return nil, err
	}
	return a.Nodes.List(ctx)
}

func (a *away) Create(ctx context.Context, spec sandbox.NodeSpec) (sandbox.Node, error) {
	if err := a.err(); err != nil {
		return sandbox.Node{}, err
	}
	return a.Nodes.Create(ctx, spec)
}

func TestDaemonIsAway(t *testing.T) {
	in(t, func(r *rig) {
		r.ok(r.Sessions.Close())
		daemon := &away{Nodes: r.nodes}
		daemon.gone.Store(true)
		var err error
		r.Sessions, err = Open(r.Context(), Config{Course: r.cfg.Course, Nodes: daemon, Store: r.store})
		r.ok(err)
		p := r.look(ann, lab2, "only")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab2, "only"))
		p.until("told", func(v SessionView) bool { return v.Error != nil && v.Error.Code == sandbox.CodeUnavailable })
		time.Sleep(time.Minute)
		synctest.Wait()
		daemon.gone.Store(false)
		if v := p.phase(PhaseReady); v.Error != nil {
			r.Fatal(v.Error)
		}
	})
}

func TestStartThatFails(t *testing.T) {
	in(t, func(r *rig) {
		r.nodes.FailNext(errors.New("no room for a loop device"))
		p := r.look(ann, lab2, "only")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab2, "only"))
		if v := p.phase(PhaseGone); v.Error == nil || v.Error.Code != sandbox.CodeInternal {
			r.Fatalf("%+v", v)
		}
	})
}

func TestStoreFailsForAWhile(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		node := r.nodeOf(ann)
		_ = node
		r.store.fail(true)
		r.die(ann)
		p.until("done", func(v SessionView) bool { return len(v.StepsDone) == 1 })
		r.store.fail(false)
		time.Sleep(5 * time.Second)
		progress, err := r.store.Progress(r.Context(), ann)
		r.ok(err)
		if progress[lab1].Steps["start"].Done == 0 {
			r.Fatal("what was reached while the store failed is lost")
		}
	})
}

func TestHintsFilesAndApply(t *testing.T) {
	in(t, func(r *rig) {
		for want := range 3 {
			tier, err := r.Hint(r.Context(), ann, lab1, "start", "restarted")
			r.ok(err)
			if tier != min(want+1, 2) {
				r.Fatal(tier)
			}
		}
		data, err := r.File(r.Context(), ann, lab1, "start", "demo.yaml")
		r.ok(err)
		p := r.look(ann, lab1, "start")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab1, "start"))
		p.phase(PhaseReady)
		applied, err := r.Apply(r.Context(), ann, lab1, "start", "demo.yaml", data)
		if err != nil || len(applied) != 1 || applied[0].Action != "unchanged" {
			r.Fatal(applied, err)
		}
		_, err = r.Apply(r.Context(), ann, lab1, "start", "demo.yaml", []byte(strings.Replace(string(data), "containers", "contaimers", 1)))
		if e := sandbox.Public(err); e.Code != sandbox.CodeUnknownField || e.Params["line"] == "" {
			r.Fatal(err)
		}
		if _, err := r.Apply(r.Context(), ann, lab1, "start", "../x", data); sandbox.CodeOf(err) != sandbox.CodeNotFound {
			r.Fatal(err)
		}
	})
}

func TestLostMomentsAreTold(t *testing.T) {
	in(t, func(r *rig) {
		p := r.look(ann, lab2, "only")
		defer p.sub.Close()
		r.ok(r.Start(ann, lab2, "only"))
		p.phase(PhaseReady)
		record, _ := r.store.record(ann)
		r.nodes.Kernel(record.Node, sandbox.Moment{Kind: sandbox.MomentExec})
		r.nodes.Lose(record.Node, 5)
		r.nodes.Kernel(record.Node, sandbox.Moment{Kind: sandbox.MomentExec})
		p.until("lost", func(SessionView) bool { return p.lost == 5 })
	})
}
