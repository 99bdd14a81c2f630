// Command measure drives the real programs and prints figures, one `name value unit` a line: what scripts/bench runs.
// It starts a daemon and a server of its own, on directories of its own, and leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A benchmark prints its figures by b.print. Its name selects it on the command line.
type benchmark struct {
	name  string
	words string
	run   func(context.Context, *bench) error
}

var benchmarks = []benchmark{
	{"node", "a node is made and its agent answers; it is removed", benchNode},
	{"pod", "a pod of infra and two containers is ready; deleted", benchPod},
	{"exec", "true in a running container", benchExec},
	{"nodes30", "thirty learners' nodes with a pod of three containers each, all at once: cold, and from spares", benchNodes30},
	{"warm", "a click on a lab with a pod until its page is told that the pod is ready: on a node made ahead, and cold", benchWarm},
	{"class", "thirty such clicks at once, with a node made ahead for each", benchClass},
	{"idle", "what idle learners cost when their nodes are frozen: --idle of them", benchIdle},
	{"memory", "what an idle learner with such a pod costs", benchMemory},
	{"key", "a key typed at a terminal's websocket comes back", benchKey},
	{"neighbour", "the same key while another learner abuses the machine in each of five ways", benchNeighbour},
	{"terminal", "a file printed in a pod's terminal, and endless output interrupted, on Chromium's screen", benchTerminal},
	{"moment", "a kernel moment reaches a live websocket", benchMoment},
	{"dom", "a kernel moment is in the page of a browser, while --active learners are active, and what each costs", benchDOM},
	{"frames", "how smooth a page is that shows 300 processes at ten updates a second", benchFrames},
	{"recording", "what an hour of a lab's recording takes, by --record of a real one, and how soon any moment of it is on Chromium's screen", benchRecording},
	{"lighthouse", "the four figures that Lighthouse gives the home page and a lab's page; npx fetches it", benchLighthouse},
	{"podman", "the same pod and exec by podman, if it is installed", benchPodman},
	{"cri", "the same pod and exec by containerd over the CRI, if it is installed", benchCRI},
}

// bench is what all benchmarks share.
type bench struct {
	data, run string // directories of daemon and server
	rounds    int
	lab       string
	idlers    int
	active    int
	record    time.Duration
	thinks    time.Duration
	course    string
	host      *host
}

func main() {
	b := &bench{}
	flag.StringVar(&b.data, "data", "/var/cache/podlab/test", "`folder` with images/, bin/ and node/bin/")
	flag.IntVar(&b.rounds, "rounds", 20, "how often each thing is done")
	flag.StringVar(&b.lab, "lab", "3.1-infra-container", "lab whose page the websockets belong to")
	flag.IntVar(&b.idlers, "idle", 40, "how many idle learners")
	flag.DurationVar(&b.record, "record", 3*time.Minute, "how long a session is recorded; an hour is worked out from it")
	flag.DurationVar(&b.thinks, "thinks", 20*time.Second, "from a command of that session to the next")
	flag.IntVar(&b.active, "active", 40, "how many active learners, of whom one has a browser")
	flag.StringVar(&b.course, "course", "labs/testdata/course", "`folder` of a course whose first lab begins with a pod")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "scripts/bench [--rounds N] [NAME...], all by default:")
		for _, bm := range benchmarks {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-9s %s\n", bm.name, bm.words)
		}
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := b.all(ctx, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) all(ctx context.Context, names []string) (err error) {
	for _, name := range names {
		if !slices.ContainsFunc(benchmarks, func(bm benchmark) bool { return bm.name == name }) {
			return fmt.Errorf("no benchmark %q: see --help", name)
		}
	}
	removeAbandoned()
	if b.run, err = os.MkdirTemp("/run", fmt.Sprintf("podlab-bench-%d-", os.Getpid())); err != nil {
		return err
	}
	defer os.RemoveAll(b.run)
	if b.host, err = startHost(ctx, b.data, b.run, "--warm", "0"); err != nil {
		return err
	}
	defer func() {
		if stopErr := b.host.stop(); err == nil {
			err = stopErr
		}
	}()
	for _, bm := range benchmarks {
		if len(names) > 0 && !slices.Contains(names, bm.name) {
			continue
		}
		if err := bm.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", bm.name, err)
		}
	}
	return nil
}

// removeAbandoned removes the directories of runs that were killed. Their daemons ended with them.
func removeAbandoned() {
	dirs, _ := filepath.Glob("/run/podlab-bench-*-*")
	for _, dir := range dirs {
		pid := strings.Split(filepath.Base(dir), "-")[2]
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			os.RemoveAll(dir)
		}
	}
}

// times is a list of durations of the same thing.
type times []time.Duration

// at returns the p-th percentile.
func (t times) at(p int) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Clone(t)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

// print writes median and 99th percentile in milliseconds.
func (t times) print(name string) {
	figure(name+".p50", t.at(50).Seconds()*1e3, "ms")
	figure(name+".p99", t.at(99).Seconds()*1e3, "ms")
}

func figure(name string, value float64, unit string) { fmt.Printf("%s %.2f %s\n", name, value, unit) }

// remark is a line that is no figure.
func remark(format string, args ...any) {
	fmt.Fprintln(os.Stderr, "#", strings.TrimSpace(fmt.Sprintf(format, args...)))
}
