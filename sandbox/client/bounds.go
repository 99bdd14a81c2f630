package client

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"

	"golang.org/x/time/rate"

	"podlab/sandbox"
	"podlab/sandbox/text"
	"podlab/sandbox/wire"
)

// Whoever is root in a node can speak in the agent's place. These, and those of package wire, bound what that costs its reader: a honest agent
// stays below all of them (sandbox/internal/observe, limits.go).
const (
	maxEntries = 128      // of one map
	maxString  = 16 << 10 // bytes; longer ones are cut
	maxWord    = 512      // bytes of a moment's and an error's texts
	maxReplay  = 1 << 20  // bytes: a terminal keeps less

	// What a watch may send, in bytes; a list's element counts as elementCost. Decoding, judging and showing cost about as much.
	watchRate   = 2 << 20 // a second
	watchBurst  = 16 << 20
	elementCost = 128
	watchFloor  = 4 << 10 // of the smallest message: each wakes several goroutines
)

// decode reads a message of an agent into v.
func decode(data []byte, v any) (elements int, err error) {
	if elements, err = wire.Weigh(data); err != nil {
		return elements, err
	}
	if err = json.Unmarshal(data, v); err != nil {
		return elements, err
	}
	trim(reflect.ValueOf(v), maxString)
	switch v := v.(type) {
	case *sandbox.Snapshot:
		clean(v)
	case *sandbox.Update:
		if v.Snapshot != nil {
			clean(v.Snapshot)
		}
	}
	return elements, nil
}

// Decode reads JSON that may be anybody's, such as a recording's (labs/record), within the bounds of an agent's messages. Strings
// are cut, and the names in a snapshot made fit to be shown.
func Decode(data []byte, v any) error {
	_, err := decode(data, v)
	return err
}

// clean makes the names in a snapshot fit to be shown, as an honest agent does. Manifests stay as they were written: they are applied
// again.
func clean(s *sandbox.Snapshot) {
	names := []any{&s.Agent, &s.Node, &s.Containers, &s.Processes, &s.Networks, &s.Volumes, &s.IPC, &s.Terminals, &s.Truncated}
	for _, list := range names {
		each(reflect.ValueOf(list), func(s string) string { return text.Clean(s, maxString) })
	}
}

// trim cuts every string in v at limit bytes and every map at maxEntries.
func trim(v reflect.Value, limit int) {
	each(v, func(s string) string {
		if len(s) > limit {
			return text.Clean(s, limit)
		}
		return s
	})
}

// each puts change(s) in the place of every string s in v, and cuts maps.
func each(v reflect.Value, change func(string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			each(v.Elem(), change)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			each(v.Field(i), change)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // a file
		}
		for i := range v.Len() {
			each(v.Index(i), change)
		}
	case reflect.String:
		if s := v.String(); s != "" {
			v.SetString(change(s))
		}
	case reflect.Map:
		if m, ok := v.Interface().(map[string]string); ok && m != nil {
			eachOf(m, change)
		}
	}
}

// eachOf keeps the first entries by name, so that the same map always gives the same.
func eachOf(m map[string]string, change func(string) string) {
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i >= maxEntries || len(key) > maxWord {
			delete(m, key)
			continue
		}
		m[key] = change(m[key])
	}
}

// own leaves of an agent's moments those that an agent can know of: the kernel's come from the daemon.
func own(moments *sandbox.Moments) {
	moments.Items = slices.DeleteFunc(moments.Items, func(m sandbox.Moment) bool { return m.Source != sandbox.SourceAgent })
	trim(reflect.ValueOf(moments), maxWord)
}

var word = regexp.MustCompile(`^[a-z][a-z_]{0,39}$`)

// said is an error of the other side, bounded and fit to be shown: it ends on an operator's terminal too.
func said(e *sandbox.Error) *sandbox.Error {
	if !word.MatchString(string(e.Code)) {
		return sandbox.Errorf(sandbox.CodeInternal)
	}
	trim(reflect.ValueOf(e), maxWord)
	each(reflect.ValueOf(e), func(s string) string { return text.Clean(s, maxWord) })
	return e
}

// pace slows down a watch that sends more than anybody can look at.
type pace struct{ *rate.Limiter }

func newPace() pace { return pace{rate.NewLimiter(watchRate, watchBurst)} }

// take waits until a message may be passed on.
func (p pace) take(ctx context.Context, bytes, elements int) error {
	return p.WaitN(ctx, max(watchFloor, bytes+elements*elementCost))
}

// The dearest message fits into the burst: WaitN would refuse it otherwise.
var _ = [watchBurst - wire.MaxJSON - wire.MaxElements*elementCost]struct{}{}
