// Package content holds the course: labs and the course map. README.md is the author's guide.
package content

import "embed"

// FS has course.yaml and labs/ at its root.
//
//go:embed course.yaml all:labs
var FS embed.FS
