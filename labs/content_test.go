package labs

import (
	"testing"

	"podlab/content"
)

// TestContent loads the course that is shipped.
func TestContent(t *testing.T) {
	course, err := Load(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	if len(course.Labs()) == 0 || len(course.Modules) != 6 {
		t.Fatalf("%d labs in %d modules", len(course.Labs()), len(course.Modules))
	}
}
