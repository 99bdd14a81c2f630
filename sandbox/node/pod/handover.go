package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
)

// imageProgram does what concerns images: it contains much that this small command does not need.
const imageProgram = "/opt/podlab/bin/podlab-image"

// imageVerbs are container's that imageProgram does.
var imageVerbs = []string{"build", "images", "tag", "push", "pull", "rmi"}

// handOver becomes imageProgram if the verb is one of its own. It only returns when it is not, or with an error.
func (p *program) handOver(args []string) error {
	if p.name != "container" || len(args) == 0 || !slices.Contains(imageVerbs, args[0]) {
		return nil
	}
	err := syscall.Exec(imageProgram, append([]string{imageProgram}, args...), os.Environ())
	return fmt.Errorf("%s: %w", imageProgram, err)
}

func (p *program) usageOfImages(w io.Writer) {
	if p.name == "container" {
		_, _ = io.WriteString(w, "  container build -t NAME DIR | images | tag | push | pull | rmi\n")
	}
}
