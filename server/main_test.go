package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestNoEngineInside: the public program has no way to make containers itself.
func TestNoEngineInside(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		dep = strings.TrimSpace(dep)
		if strings.Contains(dep, "libcontainer") || strings.HasPrefix(dep, "github.com/cilium/ebpf") || strings.HasPrefix(dep, "podlab/sandbox/internal") || strings.HasPrefix(dep, "podlab/sandbox/sandboxd") {
			t.Errorf("the server contains %s", dep)
		}
	}
}
