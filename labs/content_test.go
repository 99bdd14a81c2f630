package labs

import (
	"os"
	"path/filepath"
	"testing"

	"podlab/content"
)

// TestContent loads the course that is shipped.
func TestContent(t *testing.T) {
	course, err := Load(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, lab := range course.Labs() {
		for _, name := range lab.Images {
			if _, err := os.Stat(filepath.Join("../content/images", name, "image.yaml")); err != nil {
				t.Errorf("%s uses an image that has no recipe: %v", lab.ID, err)
			}
		}
	}
	if len(course.Labs()) == 0 || len(course.Modules) != 6 {
		t.Fatalf("%d labs in %d modules", len(course.Labs()), len(course.Modules))
	}
}
