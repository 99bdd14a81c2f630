//go:build browser

package flow_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestFlow starts what ./scripts/run starts and lets Chromium look at full-screen programs from everywhere (web/test/screens.test.mjs), do both
// labs by keyboard, in both languages, and kill what may die (web/test/flow.test.mjs). It needs root and PODLAB_DATA, which ./scripts/test prepares.
func TestFlow(t *testing.T) {
	data := os.Getenv("PODLAB_DATA")
	if os.Getuid() != 0 || data == "" {
		t.Fatal("run it by: sudo ./scripts/test ./server/flow")
	}
	run := directory(t)
	site, supervisor := supervise(t, data, run)
	cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=spec", "--test-concurrency=1",
		"test/screens.test.mjs", "test/flow.test.mjs")
	cmd.Dir = "../../web"
	cmd.Env = append(os.Environ(), "PODLAB_SITE="+site, "PODLAB_RUN="+run, fmt.Sprintf("PODLAB_SUPERVISOR=%d", supervisor))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// directory is where the sockets and the records of nodes go; not t.TempDir, whose path is too long for a socket.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "podlab-flow-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "run")
}

// supervise starts the supervisor on directories of its own beside data, and ends it as Ctrl-C does.
func supervise(t *testing.T, data, run string) (site string, pid int) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(data, "server")); err != nil { // sessions of an earlier run
		t.Fatal(err)
	}
	addr, preview := free(t), free(t)
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, filepath.Join(data, "bin/podlab"), "supervise", "--data", data, "--run", run,
		"--addr", addr, "--preview-addr", preview, "--admin-addr", free(t))
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := cmd.Wait(); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("supervisor:\n%s", log.Bytes())
		}
	})
	site = "http://" + addr
	for range 200 {
		if res, err := http.Get(site + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return site, cmd.Process.Pid
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the site is not ready after 20 s")
	return "", 0
}

// free is an address on loopback that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
