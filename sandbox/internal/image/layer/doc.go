// Package layer turns a layer of an OCI image, a tar that may be compressed, into a directory that overlayfs takes as a lower one,
// and such a directory back into a tar.
//
// A tar is a stranger's. Unpack is safe by itself in any directory that nobody else writes to: no entry, link or whiteout reaches out
// of it, every count is bounded, and what no learner's container may have is left out (set-user-id bits, devices, extended
// attributes). On the host it also runs jailed (package jail).
//
// What a layer deletes is written as overlayfs reads it with "userxattr" (Documentation/filesystems/overlayfs.rst): a whiteout is a
// character device 0:0, an opaque directory has the attribute user.overlay.opaque. In a tar they are files whose names begin with .wh.
// (OCI image specification, layer.md, "Whiteouts").
package layer

import "errors"

// Names in a tar.
const (
	whiteoutPrefix = ".wh."
	whiteoutMeta   = ".wh..wh." // aufs' own; but for opaqueName they mean nothing here
	opaqueName     = ".wh..wh..opq"
)

// opaqueAttr marks a directory that hides what lower layers have in it.
const opaqueAttr = "user.overlay.opaque"

// maxID is the highest owner that a node can have: it has 65,536 ids.
const maxID = 65535

// Lengths of a path and of one name in it, in bytes (Linux' own limits), and how deep a path may go.
const (
	maxPath  = 4095
	maxName  = 255
	maxDepth = 128
)

// Bounds are how much a layer may unpack to.
type Bounds struct {
	Bytes   int64 // of the tar, decompressed; holes of sparse files count
	Entries int
	Ratio   int64 // decompressed bytes for each compressed one, after the first 16 MiB
}

// Default holds for a layer of any image that a lesson needs: the largest of Debian's here has 0.4 GB in 20,000 files, at a ratio of 3.
var Default = Bounds{Bytes: 4 << 30, Entries: 300_000, Ratio: 200}

// freeBytes may come out before Ratio counts: a few blocks of zeros compress by 1000 to 1.
const freeBytes = 16 << 20

// ErrTooLarge is in the chain of every error that a bound caused.
var ErrTooLarge = errors.New("the layer is larger than allowed")

// Report says what Unpack made.
type Report struct {
	DiffID  string `json:"diffId"` // sha256:HEX of the decompressed tar
	Bytes   int64  `json:"bytes"`  // of all regular files
	Entries int    `json:"entries"`
	Skipped int    `json:"skipped,omitempty"` // devices, pipes
}
