package state

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"podlab/labs"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("PODLAB_STATE_WRITER"); dir != "" {
		writeForEver(dir)
	}
	os.Exit(m.Run())
}

// writeForEver saves progress again and again and says so after each time, until it is killed.
func writeForEver(dir string) {
	store, err := Open(dir)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	ctx := context.Background()
	for i := 1; ; i++ {
		learner := "learner-" + strconv.Itoa(i%7)
		p := labs.Progress{Last: "join", At: int64(i)}
		if err := store.SaveProgress(ctx, learner, "3.1-infra-container", p); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		if err := store.SaveSession(ctx, labs.Record{Learner: learner, Lab: "3.1-infra-container", Started: int64(i)}); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("saved", learner, i)
	}
}

// TestSurvivesKill kills a writer with SIGKILL, three times over on one directory: nothing that it was told is saved may be missing.
func TestSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		saved := killedWriter(t, dir, 300)
		store, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for learner, i := range saved {
			progress, err := store.Progress(t.Context(), learner)
			if err != nil {
				t.Fatal(err)
			}
			if got := progress["3.1-infra-container"].At; got < i {
				t.Errorf("progress of %s is %d, %d was saved", learner, got, i)
			}
		}
		records, err := store.Sessions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != len(saved) {
			t.Errorf("%d sessions, want %d", len(records), len(saved))
		}
		for _, r := range records {
			if r.Started < saved[r.Learner] {
				t.Errorf("session of %s is %d, %d was saved", r.Learner, r.Started, saved[r.Learner])
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killedWriter runs a writer until it saved n times, kills it in the middle of what it does, and returns the last number that it
// said was saved, by learner.
func killedWriter(t *testing.T, dir string, n int) map[string]int64 {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "PODLAB_STATE_WRITER="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	saved := map[string]int64{}
	lines := bufio.NewScanner(out)
	for count := 0; lines.Scan(); count++ {
		word := strings.Fields(lines.Text())
		if len(word) != 3 || word[0] != "saved" {
			t.Fatal(lines.Text())
		}
		saved[word[1]], _ = strconv.ParseInt(word[2], 10, 64)
		if count == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	return saved
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx := t.Context()
	if all, err := store.Progress(ctx, "nobody"); err != nil || len(all) != 0 {
		t.Fatal(all, err)
	}
	p := labs.Progress{Last: "join", At: 7, Steps: map[string]labs.StepProgress{"join": {Done: 1, Checks: map[string]int64{"joined": 1}, Hints: map[string]int{"joined": 2}}}}
	for learner, lab := range map[string]string{"a": "3.1-infra-container", "ab": "3.3-shared-volumes"} {
		if err := store.SaveProgress(ctx, learner, lab, p); err != nil {
			t.Fatal(err)
		}
	}
	got, err := store.Progress(ctx, "a")
	if diff := cmp.Diff(map[string]labs.Progress{"3.1-infra-container": p}, got); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	r := labs.Record{Learner: "a", Lab: "3.1-infra-container", Step: "join", Node: "s-1", Ready: true, Marks: labs.Marks{Kept: map[string]string{"ip": "10.0.0.2"}}}
	if err := store.SaveSession(ctx, r); err != nil {
		t.Fatal(err)
	}
	records, err := store.Sessions(ctx)
	if diff := cmp.Diff([]labs.Record{r}, records); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	if err := store.DeleteSession(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if records, err := store.Sessions(ctx); err != nil || len(records) != 0 {
		t.Fatal(records, err)
	}
	if _, err := Open(dir); err == nil {
		t.Fatal("a second server opened the same directory")
	}
}

// TestConnect keeps state on a server elsewhere, which goes away and comes back.
func TestConnect(t *testing.T) {
	dir := t.TempDir()
	elsewhere := func(port int) *server.Server {
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, JetStream: true, StoreDir: dir, NoLog: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		if !s.ReadyForConnections(readyTime) {
			t.Fatal("not ready")
		}
		return s
	}
	one := elsewhere(server.RANDOM_PORT)
	store, err := Connect(one.ClientURL(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.SaveSession(t.Context(), labs.Record{Learner: "a", Lab: "x"}); err != nil {
		t.Fatal(err)
	}
	port := one.Addr().(*net.TCPAddr).Port
	one.Shutdown()
	one.WaitForShutdown()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := store.SaveSession(ctx, labs.Record{Learner: "b", Lab: "x"}); err == nil {
		t.Fatal("saved on a server that is not there")
	}
	two := elsewhere(port)
	defer two.WaitForShutdown()
	defer two.Shutdown()
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for store.SaveSession(ctx, labs.Record{Learner: "c", Lab: "x"}) != nil {
		if ctx.Err() != nil {
			t.Fatal("it does not come back")
		}
		time.Sleep(50 * time.Millisecond)
	}
	records, err := store.Sessions(ctx)
	if err != nil || len(records) < 2 || records[0].Learner != "a" {
		t.Fatal(records, err)
	}
}

func BenchmarkSave(b *testing.B) {
	store, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	start := time.Now()
	for b.Loop() {
		if err := store.SaveProgress(b.Context(), "a", "3.1-infra-container", labs.Progress{Last: "join"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Since(start).Microseconds())/float64(b.N), "µs/save")
}
