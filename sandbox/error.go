package sandbox

import (
	"errors"
	"sort"
	"strings"
)

// Code says for machines what went wrong; the page makes words of it in the reader's language (web/words, key "error.CODE").
type Code string

// Codes, and the parameters that each carries.
const (
	CodeBadManifest      Code = "bad_manifest"      // line, column, field, detail
	CodeUnknownField     Code = "unknown_field"     // line, field
	CodeUnsupportedField Code = "unsupported_field" // line, field
	CodeBadValue         Code = "bad_value"         // line, field, value, detail
	CodeVolumeNotFound   Code = "volume_not_found"  // line, name, container, known (the names there are)
	CodeUnknownImage     Code = "unknown_image"     // image, known; buildable: scripts/images NAME makes it (detail is then "buildable", too)
	CodeNameTaken        Code = "name_taken"        // kind, name
	CodeImmutable        Code = "immutable"         // field: it cannot change while the pod lives
	CodeOverCapacity     Code = "over_capacity"     // resource, asked, free; a full disk has detail "full" instead of amounts
	CodeMachineFull      Code = "machine_full"      // limit
	CodeMissingFeature   Code = "missing_feature"   // feature, remedy
	CodeNotFound         Code = "not_found"         // kind, name
	CodeNotRunning       Code = "not_running"       // kind, name
	CodeWaiting          Code = "waiting"           // container, pod (missing of a plain container), reason: it has no log before its first start
	CodeCannotStart      Code = "cannot_start"      // container, command, detail, reason (a Start… constant; may be missing)
	CodeNodeGone         Code = "node_gone"         // node, reason (a Gone… constant; may be missing): everything on it is gone
	CodeBadRequest       Code = "bad_request"       // detail, want (what is valid; may be missing)
	CodeDenied           Code = "denied"            //
	CodeTooLarge         Code = "too_large"         // limit
	CodeUnavailable      Code = "unavailable"       // what: the other side is away for now; try again
	CodeInternal         Code = "internal"          // details are in the log only
)

// Why a node is gone: param reason of CodeNodeGone. The page has words for each, key "error.node_gone.REASON".
const (
	GoneInitEnded        = "init_ended"         // its PID 1 ended: killed, or by itself
	GoneTooManyGroups    = "too_many_groups"    // the daemon destroyed it: a host with cgroup v1 does not limit groups itself
	GoneTooManyTerminals = "too_many_terminals" // the daemon destroyed it: the kernel has so many for all nodes together
	GoneDestroyed        = "destroyed"          // somebody asked the daemon to
	GoneMachineStopped   = "machine_stopped"    // it ended with the machine or by a daemon's orderly stop: the daemon of now knows nothing of it
)

// Why a command is not started: param reason of CodeCannotStart.
const (
	StartNotFound = "not_found" // there is no such program
	StartDenied   = "denied"    // a directory, or a file without the right to run it
)

// ExitOf is the exit code that shells, docker and kubectl give for a command that was not started, of an error of Agent.Exec: 127 for
// a program that is not there, 126 for one that cannot be run. ok is false for any other error.
func ExitOf(err error) (code int, ok bool) {
	e, isError := errors.AsType[*Error](err)
	switch {
	case !isError || e.Code != CodeCannotStart:
		return 0, false
	case e.Params["reason"] == StartNotFound:
		return 127, true
	}
	return 126, true
}

// NodeGone makes a CodeNodeGone error. reason is "" when it is not known.
func NodeGone(id, reason string) *Error {
	if reason == "" {
		return Errorf(CodeNodeGone, "node", id)
	}
	return Errorf(CodeNodeGone, "node", id, "reason", reason)
}

// Error is an error that crosses a socket: a code and parameters. Cause stays on this side and goes to the log.
type Error struct {
	Code   Code              `json:"code"`
	Params map[string]string `json:"params,omitempty"`
	Cause  error             `json:"-"`
}

// Errorf makes an Error of a code and alternating parameter names and values.
func Errorf(code Code, kv ...string) *Error {
	e := &Error{Code: code}
	for i := 0; i+1 < len(kv); i += 2 {
		if e.Params == nil {
			e.Params = make(map[string]string, len(kv)/2)
		}
		e.Params[kv[i]] = kv[i+1]
	}
	return e
}

// Because returns e with the cause that the log shall name.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// Error is for logs and the command line's last resort; pages use Code and Params.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	names := make([]string, 0, len(e.Params))
	for name := range e.Params {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		b.WriteString(" " + name + "=" + e.Params[name])
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf returns the code of the first Error in err's chain, CodeInternal for any other error, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// Public returns what of err may be shown to a learner: its first Error, or a bare CodeInternal.
func Public(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternal, Cause: err}
}
