package site

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"podlab/sandbox"
	"podlab/web"
)

// CodeTooMany is the server's own code: too many requests.
const CodeTooMany sandbox.Code = "too_many"

var errTooMany = sandbox.Errorf(CodeTooMany)

// statusOf is the one table between codes and HTTP.
var statusOf = map[sandbox.Code]int{
	sandbox.CodeBadManifest:      http.StatusUnprocessableEntity,
	sandbox.CodeUnknownField:     http.StatusUnprocessableEntity,
	sandbox.CodeUnsupportedField: http.StatusUnprocessableEntity,
	sandbox.CodeBadValue:         http.StatusUnprocessableEntity,
	sandbox.CodeVolumeNotFound:   http.StatusUnprocessableEntity,
	sandbox.CodeUnknownImage:     http.StatusUnprocessableEntity,
	sandbox.CodeNameTaken:        http.StatusUnprocessableEntity,
	sandbox.CodeImmutable:        http.StatusUnprocessableEntity,
	sandbox.CodeOverCapacity:     http.StatusUnprocessableEntity,
	sandbox.CodeCannotStart:      http.StatusUnprocessableEntity,
	sandbox.CodeNotRunning:       http.StatusConflict,
	sandbox.CodeWaiting:          http.StatusConflict,
	sandbox.CodeMachineFull:      http.StatusServiceUnavailable,
	sandbox.CodeMissingFeature:   http.StatusServiceUnavailable,
	sandbox.CodeUnavailable:      http.StatusServiceUnavailable,
	sandbox.CodeNodeGone:         http.StatusGone,
	sandbox.CodeNotFound:         http.StatusNotFound,
	sandbox.CodeBadRequest:       http.StatusBadRequest,
	sandbox.CodeDenied:           http.StatusForbidden,
	sandbox.CodeTooLarge:         http.StatusRequestEntityTooLarge,
	CodeTooMany:                  http.StatusTooManyRequests,
	sandbox.CodeInternal:         http.StatusInternalServerError,
}

// StatusOf is the HTTP status of an error's code.
func StatusOf(code sandbox.Code) int {
	if status, ok := statusOf[code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// handle turns a handler that returns an error into one that writes it.
func (s *Site) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// fail writes an error as a page or as JSON, and what a visitor must not read to the log.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // whoever asked has gone
	}
	public := public(err)
	status := StatusOf(public.Code)
	if status >= 500 {
		s.Log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("path", pathOf(r)), slog.Any("error", err))
	}
	w.Header().Set("Cache-Control", "no-store")
	if forPrograms(r) {
		writeJSON(w, status, map[string]any{"error": public})
		return
	}
	page := web.Failure{Page: s.page(r, ""), Status: status, Code: string(public.Code), Params: public.Params}
	page.Title, _ = web.WordsOf(page.Lang).SayError(page.Code, page.Params)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := web.FailurePage(page).Render(r.Context(), w); err != nil {
		s.Log.Debug("error page not sent", "error", err)
	}
}

// public is what a visitor may know of an error.
func public(err error) *sandbox.Error {
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return sandbox.Errorf(sandbox.CodeTooLarge, "limit", decimal(e.Limit)).Because(err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return sandbox.Errorf(sandbox.CodeUnavailable).Because(err)
	}
	return sandbox.Public(err)
}

// forPrograms tells who wants JSON: the pages' own scripts.
func forPrograms(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/ws/")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the browser may have gone
}

func (s *Site) notFound(http.ResponseWriter, *http.Request) error {
	return sandbox.Errorf(sandbox.CodeNotFound, "kind", "page", "name", "")
}
