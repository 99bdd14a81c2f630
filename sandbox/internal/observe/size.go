package observe

import "time"

// sized is the size of a tree when it was last walked.
type sized struct {
	bytes int64
	full  bool
	at    time.Time
	seen  uint64
}

// sizeOf returns the bytes below a directory, not older than staleSize, or staleBigSize where the walk is long.
func (o *Observer) sizeOf(s *scan, path string) int64 {
	known := o.sizes[path]
	age := staleSize
	if known.full {
		age = staleBigSize
	}
	if known.at.IsZero() || s.now.Sub(known.at) >= age {
		if d, err := openTree(path); err == nil {
			known.bytes, known.full = o.r.size(d)
			d.close()
		}
		known.at = s.now
	}
	known.seen = o.seq
	o.sizes[path] = known
	return known.bytes
}
