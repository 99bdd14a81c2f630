package layer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// stream decompresses a layer and stops when it gives more than the bounds allow.
type stream struct {
	in      io.Reader // decompressed
	source  *counter
	bounds  Bounds
	out     int64
	closing func()
}

// counter counts what was read of the compressed layer.
type counter struct {
	in io.Reader
	n  int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}

// open finds out how the layer is compressed by its first bytes: gzip (RFC 1952), zstd (RFC 8878) or not at all.
func open(from io.Reader, bounds Bounds) (*stream, error) {
	s := &stream{source: &counter{in: from}, bounds: bounds, closing: func() {}}
	buffered := bufio.NewReaderSize(s.source, 64<<10)
	head, err := buffered.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		unzip, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, err
		}
		s.in = unzip
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// 128 MiB is what zstd --ultra -22 needs.
		unzip, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		s.in, s.closing = unzip, unzip.Close
	default:
		s.in = buffered
	}
	return s, nil
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	s.out += int64(n)
	if s.out > s.bounds.Bytes {
		return n, fmt.Errorf("%w: over %d bytes", ErrTooLarge, s.bounds.Bytes)
	}
	if s.out-freeBytes > s.source.n*s.bounds.Ratio {
		return n, fmt.Errorf("%w: %d bytes were packed into %d", ErrTooLarge, s.out, s.source.n)
	}
	return n, err
}
