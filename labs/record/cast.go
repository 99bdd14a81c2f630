package record

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// castHeader is the first line of asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/).
type castHeader struct {
	Version   int    `json:"version"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	Timestamp int64  `json:"timestamp,omitempty"` // Unix seconds
	Title     string `json:"title,omitempty"`
}

// Limits of what a file may say of a terminal.
const (
	maxTitle = 200  // bytes
	maxCols  = 1000 // and rows
)

// Terminal is one terminal of a recording.
type Terminal struct {
	Title         string // "node", or a Container.ID
	Width, Height int    // at first
}

// Terminals are those of the recording, by number.
func (r *Reader) Terminals() ([]Terminal, error) {
	var all []Terminal
	err := r.casts(context.Background(), func(number int, event []byte) error {
		if number < len(all) {
			return nil
		}
		var h castHeader
		if err := json.Unmarshal(event, &h); err != nil {
			return bad("terminal's header: %v", err)
		}
		if number != len(all) || h.Version != 2 || h.Width < 1 || h.Height < 1 || h.Width > maxCols || h.Height > maxCols || len(h.Title) > maxTitle {
			return bad("terminal %d of version %d, %d by %d", number, h.Version, h.Width, h.Height)
		}
		all = append(all, Terminal{h.Title, h.Width, h.Height})
		return nil
	})
	return all, err
}

// Cast writes one terminal's output as an asciicast v2 file, which may be a thousand times as long as the recording. Errors: ErrBad, those
// of out and ctx.
func (r *Reader) Cast(ctx context.Context, terminal int, out io.Writer) error {
	first := true
	return r.casts(ctx, func(number int, event []byte) error {
		if number != terminal {
			return nil
		}
		if first {
			first = false
			var h castHeader
			if err := json.Unmarshal(event, &h); err != nil {
				return bad("terminal's header: %v", err)
			}
			h.Timestamp = r.Header.Started / 1000
			line, err := marshal(h)
			if err != nil {
				return err
			}
			_, err = out.Write(line)
			return err
		}
		if err := checkEvent(event); err != nil {
			return err
		}
		_, err := out.Write(append(event, '\n'))
		return err
	})
}

// checkEvent refuses an event that is not one of asciicast's.
func checkEvent(event []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(event, &parts); err != nil || len(parts) != 3 {
		return bad("event is no list of three")
	}
	var at float64
	var code, data string
	if json.Unmarshal(parts[0], &at) != nil || json.Unmarshal(parts[1], &code) != nil || json.Unmarshal(parts[2], &data) != nil {
		return bad("event's parts")
	}
	if at < 0 || at > MaxLength.Seconds() || !strings.Contains("orm", code) || len(code) != 1 {
		return bad("event %q at %g", code, at)
	}
	return nil
}

// casts calls fn with every event, in order, without its newline, until ctx ends.
func (r *Reader) casts(ctx context.Context, fn func(number int, event []byte) error) error {
	for _, c := range r.chunks {
		if c.kind != kindTerminals {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		body, err := r.body(c)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(body) {
			before, event, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
			number, err := strconv.Atoi(string(before))
			if !ok || err != nil || number < 0 || number >= MaxTerminals {
				return bad("line of no terminal")
			}
			if err := fn(number, event); err != nil {
				return err
			}
		}
	}
	return nil
}
