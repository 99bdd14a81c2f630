package engine

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/sandboxtest"
)

// shelf is an engine's images with a directory beside them, which put fills.
func shelf(t *testing.T) (b *bench, put func(names ...string)) {
	t.Helper()
	needRoot(t)
	config, dir := testConfig(t), t.TempDir()
	busybox, err := config.Images.Lookup("busybox")
	if err != nil {
		t.Fatal(err)
	}
	if config.Images, err = image.Open("/var/lib/podlab/images", dir); err != nil {
		t.Fatal(err)
	}
	return openWith(t, config), func(names ...string) {
		t.Helper()
		var index []image.Image
		for _, name := range names {
			busybox.Name = name
			index = append(index, busybox)
		}
		data, err := json.Marshal(index)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "new"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, image.IndexFile)); err != nil {
			t.Fatal(err)
		}
	}
}

// said are the moments of a container by reason, of some of the reasons, in order and without their repetition.
func (b *bench) said(id string, of ...string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.moments {
		if m.Container == id && slices.Contains(of, m.Reason) {
			all = append(all, m.Reason)
		}
	}
	return slices.Compact(all)
}

func waits(reason string) func(Subject) bool {
	return func(s Subject) bool { return s.State == waiting && s.Reason == reason }
}

func (b *bench) waitingOf(pod string) sandbox.ContainerWaiting {
	b.t.Helper()
	if w := b.pod(pod).Status.ContainerStatuses[0].State.Waiting; w != nil {
		return *w
	}
	return sandbox.ContainerWaiting{}
}

// TestImageComesLater: a pod is there before its image; it waits ever longer, counts no restart, and starts when the image has come.
func TestImageComesLater(t *testing.T) {
	b, put := shelf(t)
	b.apply(pod("p", "", `{"name":"a","image":"later:v1","command":["sleep","1000"]}`, sh("b", idle)))
	b.until("p/a", reasonPull, waits(reasonPull))
	if w := b.waitingOf("p"); w.Reason == reasonPull && !strings.Contains(w.Message, "busybox") {
		t.Errorf("it does not say what there is: %+v", w)
	}
	b.running("p/b")
	b.until("p/a", reasonPullBackOff, waits(reasonPullBackOff))
	if w := b.waitingOf("p"); w.Reason == reasonPullBackOff && !strings.HasPrefix(w.Message, `Back-off pulling image "later:v1": ErrImagePull: not found`) {
		t.Errorf("%+v", w)
	}
	if p := b.pod("p"); p.Status.Phase != phasePending {
		t.Errorf("phase %s", p.Status.Phase)
	}
	b.until("p/a", reasonPull, waits(reasonPull)) // once more
	put("later:v1")
	b.running("p/a")
	p := b.phase("p", phaseRunning)
	if s := p.Status.ContainerStatuses[0]; s.RestartCount != 0 || s.Image != "later:v1" {
		t.Errorf("%+v", s)
	}
	got := b.said("p/a", "Pulling", reasonPull, "Failed", reasonPullBackOff, "Pulled", "Started")
	words := strings.Join(got, " ") // two looks may be one back-off apart on a busy machine: then there is no back-off between two pulls
	if pull := "Pulling ErrImagePull Failed "; !strings.HasPrefix(words, pull) || strings.Count(words, pull) < 2 ||
		!strings.Contains(words, "ImagePullBackOff Failed Pulling") || !strings.HasSuffix(words, " Pulled Started") {
		t.Errorf("events %q", got)
	}
}

// TestPullPolicies: what is never pulled is not waited for longer and longer; what is always pulled is waited for although it is there.
func TestPullPolicies(t *testing.T) {
	b, put := shelf(t)
	b.apply(pod("never", "", `{"name":"a","image":"later","imagePullPolicy":"Never"}`))
	b.apply(pod("always", "", `{"name":"a","image":"later","imagePullPolicy":"Always","command":["sleep","1000"]}`))
	b.apply(pod("never-there", "", `{"name":"a","image":"busybox","imagePullPolicy":"Never","command":["sleep","1000"]}`))
	b.apply(pod("bad", "", `{"name":"a","image":"Not An Image"}`))
	b.apply(pod("init", `"initContainers":[{"name":"i","image":"nowhere"}]`, sh("a", idle)))
	b.running("never-there/a")
	b.until("never/a", reasonNeverPull, waits(reasonNeverPull))
	if w := b.waitingOf("never"); w.Message != `Container image "later" is not present with pull policy of Never` {
		t.Errorf("%+v", w)
	}
	b.until("bad/a", reasonImageName, waits(reasonImageName))
	b.until("init/i", reasonPullBackOff, waits(reasonPullBackOff))
	if p := b.pod("init"); !strings.HasPrefix(p.Columns().Status, "Init:") || p.Status.ContainerStatuses[0].State.Waiting.Reason != reasonInitializing {
		t.Errorf("%+v", p.Columns())
	}
	b.until("always/a", reasonPullBackOff, waits(reasonPullBackOff))
	put("later")
	b.running("always/a")
	if got := b.said("never/a", "Pulling", reasonPull, reasonPullBackOff); len(got) != 0 {
		t.Errorf("what is never pulled: %q", got)
	}
}

// TestImageGoesAway: a container whose image is changed to one that is not there has ended for now; another image again is tried at once.
func TestImageGoesAway(t *testing.T) {
	b, put := shelf(t)
	put("one")
	spec := `{"name":"a","image":%q,"command":["sh","-c",%q]}`
	b.apply(pod("p", `"terminationGracePeriodSeconds":1`, fmt.Sprintf(spec, "one", idle)))
	b.running("p/a")
	put()
	b.apply(pod("p", `"terminationGracePeriodSeconds":1`, fmt.Sprintf(spec, "two", idle)))
	b.until("p/a", reasonPullBackOff, waits(reasonPullBackOff))
	if last := b.pod("p").Status.ContainerStatuses[0].LastState.Terminated; last == nil {
		t.Error("how it ended before is forgotten")
	}
	began := time.Now()
	b.apply(pod("p", `"terminationGracePeriodSeconds":1`, fmt.Sprintf(spec, "busybox", idle)))
	b.running("p/a")
	if took := time.Since(began); took > sandboxtest.Within(time.Second) {
		t.Errorf("another image waited %v", took)
	}
}

// TestPullBackOff: ever longer, up to thirty times the first.
func TestPullBackOff(t *testing.T) {
	c := &container{unit: &unit{engine: &Engine{cfg: Config{BackOff: 10 * time.Second}, sink: func(sandbox.Moment) {}}, object: &object{}}, run: &run{},
		spec: &sandbox.ContainerSpec{Name: "a", Image: "x"}}
	c.unit.log = slog.New(slog.DiscardHandler)
	for _, want := range []int{10, 20, 40, 80, 160, 300, 300} {
		c.notPulled(&pullError{reasonPull, "not found"})
		if c.pulls.delay != time.Duration(want)*time.Second {
			t.Errorf("%v, want %d s", c.pulls.delay, want)
		}
	}
	c.spec.Image = "y"
	c.notPulled(&pullError{reasonPull, "not found"})
	if c.pulls.delay != 10*time.Second {
		t.Errorf("of another image %v", c.pulls.delay)
	}
}

func TestImageNames(t *testing.T) {
	for name, good := range map[string]bool{
		"busybox": true, "nginx:1.25": true, "localhost:5000/a/b_c/d-e:v1": true, "registry.example.com/x@sha256:" + strings.Repeat("0a", 32): true,
		"docker.io/library/debian:bookworm-slim": true, "": false, "Nginx": false, "a b": false, "a:": false, "../x": false, "a@sha256:1": false, "x:y:z": false,
	} {
		if imageName().MatchString(name) != good {
			t.Errorf("%q", name)
		}
	}
}
