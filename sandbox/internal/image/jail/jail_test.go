package jail

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/sandboxtest"
)

func TestMain(m *testing.M) {
	Main(map[string]Task{"look": look, "sleep": sleep, "flood": flood})
	os.Exit(m.Run())
}

// seen is what a task found in the jail.
type seen struct {
	UID, PID   int
	Names      []string
	Caps       string
	NoNewPrivs string
	Input      string
	Interfaces int
	Denied     map[string]string // what it tried, and the error
	Descriptor []string
}

// look tries everything that a task must not be able to do. There is no /proc: what it knows of itself comes from system calls.
func look(_ context.Context, args json.RawMessage) (any, error) {
	s := seen{UID: os.Getuid(), PID: os.Getpid(), Denied: map[string]string{}}
	var say string
	if err := json.Unmarshal(args, &say); err != nil {
		return nil, err
	}
	if say == "fail" {
		return nil, errors.New("as told")
	}
	entries, err := os.ReadDir("/")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		s.Names = append(s.Names, e.Name())
	}
	in, _ := io.ReadAll(os.Stdin)
	s.Input = string(in)
	interfaces, _ := net.Interfaces()
	s.Interfaces = len(interfaces)
	for what, err := range map[string]error{
		"climb":   func() error { _, err := os.Stat("/../../../etc/passwd"); return err }(),
		"device":  unix.Mknod("/dev", unix.S_IFBLK|0o600, 0x0801),
		"mount":   unix.Mount("none", "/", "tmpfs", 0, ""),
		"chroot":  unix.Chroot("/"),
		"userns":  unix.Unshare(unix.CLONE_NEWUSER),
		"execute": unix.Exec("/program", []string{"x"}, nil),
		"priv": func() error {
			n, _ := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
			return map[bool]error{true: unix.EPERM}[n == 1]
		}(),
	} {
		if err == nil {
			s.Denied[what] = ""
		} else {
			s.Denied[what] = err.Error()
		}
	}
	for fd := 3; fd < 64; fd++ {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			s.Descriptor = append(s.Descriptor, "directory")
		}
	}
	if err := os.WriteFile("/made", []byte("x"), 0o644); err != nil {
		return nil, err
	}
	return s, errors.Join(os.Chown("/made", 5, 65535), os.Chown("/given", 7, 7))
}

func sleep(context.Context, json.RawMessage) (any, error) { time.Sleep(time.Hour); return 1, nil }

func flood(context.Context, json.RawMessage) (any, error) {
	return strings.Repeat("x", 2*maxResult), nil
}

func room(t *testing.T) string {
	t.Helper()
	sandboxtest.Root(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "given"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "program"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestJail(t *testing.T) {
	dir := room(t)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	_, _ = out.WriteString("archive")
	out.Close()
	var s seen
	if err := Run(t.Context(), Job{Task: "look", Args: "", Dir: dir, Stdin: in}, &s); err != nil {
		t.Fatal(err)
	}
	if s.UID != 0 || s.PID != 1 || strings.Join(s.Names, " ") != "given program" || s.Input != "archive" || s.Interfaces != 1 || s.Descriptor != nil {
		t.Errorf("%+v", s)
	}
	for what, said := range s.Denied {
		if said == "" {
			t.Errorf("%s was allowed", what)
		}
	}
	for name, want := range map[string][2]uint32{"made": {5, 65535}, "given": {7, 7}} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, name), &st); err != nil || st.Uid != want[0] || st.Gid != want[1] {
			t.Errorf("%s belongs to %d:%d, %v", name, st.Uid, st.Gid, err)
		}
	}
}

func TestFailure(t *testing.T) {
	dir := room(t)
	var s seen
	if err := Run(t.Context(), Job{Task: "look", Args: "fail", Dir: dir}, &s); err == nil || err.Error() != "as told" {
		t.Errorf("%v", err)
	}
	if err := Run(t.Context(), Job{Task: "unknown", Dir: dir}, &s); err == nil {
		t.Error("an unknown task ran")
	}
	var text string
	if err := Run(t.Context(), Job{Task: "flood", Dir: dir}, &text); err == nil {
		t.Error("a flood was taken")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := Run(ctx, Job{Task: "sleep", Dir: dir}, &s); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Minute {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}
