package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gorilla/websocket"

	"podlab/labs/record"
	"podlab/sandbox"
)

const hour = time.Hour

// A learner of lab 3.1 types these, one after the other.
var commands = []string{
	"ps -ef", "lsns", "container ls", "container exec client wget -q -O - http://localhost",
	"container run -d --name extra --net container:web busybox sleep 1000",
	"ss -tln", "container exec extra wget -q -O - http://localhost", "pstree -p", "container rm -f extra",
}

// benchRecording records a learner who types, and looks at any moment of an hour of such a recording.
func benchRecording(ctx context.Context, b *bench) error {
	data, err := b.recorded(ctx)
	if err != nil {
		return err
	}
	short, err := record.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	figure("recording.size", float64(len(data))*hour.Seconds()/short.Length().Seconds()/1e6, "MB/h")
	remark("%s, first step, %s with a command every %s: %d bytes", b.lab, short.Length().Round(time.Second), b.thinks, len(data))
	path := filepath.Join(b.run, "hour"+record.Extension)
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	err = errors.Join(repeat(short, file), file.Close())
	if err != nil {
		return err
	}
	return b.browse(ctx, "web/bench/scrub.mjs", path)
}

// recorded is the file of a session that was recorded for some time.
func (b *bench) recorded(ctx context.Context) ([]byte, error) {
	l, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	live, _, err := l.ready(ctx)
	if err != nil {
		return nil, err
	}
	defer live.Close()
	defer func() { _ = l.press(context.WithoutCancel(ctx), "end") }()
	conn, err := l.dial(ctx, "/ws/terminal", url.Values{"id": {"node"}, "target": {"node"}, "cols": {"100"}, "rows": {"20"}})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	term := &terminal{Conn: conn}
	if err := quiet(term); err != nil {
		return nil, err
	}
	if err := l.press(ctx, "record"); err != nil {
		return nil, err
	}
	if err := b.study(ctx, term); err != nil {
		return nil, err
	}
	if err := l.press(ctx, "record/stop"); err != nil {
		return nil, err
	}
	return l.newest(ctx)
}

// study types commands until the recording is long enough.
func (b *bench) study(ctx context.Context, term *terminal) error {
	turn := time.NewTicker(b.thinks)
	defer turn.Stop()
	end := time.After(b.record)
	for i := 0; ; i++ {
		said := fmt.Sprintf("done-%d", i)
		line := fmt.Sprintf("%s; echo done''-%d\r", commands[i%len(commands)], i)
		if err := term.WriteMessage(websocket.BinaryMessage, []byte(line)); err != nil {
			return err
		}
		if err := until(term, said); err != nil {
			return err
		}
		select {
		case <-turn.C:
		case <-end:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// newest downloads a learner's newest recording.
func (l *learner) newest(ctx context.Context) ([]byte, error) {
	list, err := l.get(ctx, "/api/recordings/")
	if err != nil {
		return nil, err
	}
	var own struct{ Recordings []record.Info }
	if err := json.Unmarshal(list, &own); err != nil || len(own.Recordings) == 0 {
		return nil, errors.Join(errors.New("no recording"), err)
	}
	return l.get(ctx, "/api/recordings/"+own.Recordings[0].ID+"/file")
}

func (l *learner) get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.origin+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := l.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, record.MaxFile))
}

// repeat writes a recording again and again, until it is an hour long: times and numbers go on.
func repeat(short *record.Reader, to io.Writer) error {
	out, err := record.NewWriter(to, short.Header)
	if err != nil {
		return err
	}
	shown, last, err := states(short)
	if err != nil {
		return err
	}
	prints, err := outputs(short)
	if err != nil {
		return err
	}
	node, err := out.Terminal(0, "node", sandbox.Size{Cols: 100, Rows: 20})
	if err != nil {
		return err
	}
	for round := 0; ; round++ {
		shift := time.Duration(round) * short.Length()
		rest := prints
		for _, s := range shown {
			if shift+s.At > hour {
				return out.Close()
			}
			for len(rest) > 0 && rest[0].at <= s.At {
				if err := out.Output(shift+rest[0].at, node, []byte(rest[0].text)); err != nil {
					return err
				}
				rest = rest[1:]
			}
			if err := out.Take(shift+s.At, later(s, round, shift, last)); err != nil {
				return err
			}
		}
	}
}
