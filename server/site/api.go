package site

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"podlab/sandbox"
)

// callWithin bounds how long a button may wait for the node.
const callWithin = 30 * time.Second

func withTimeout(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), callWithin)
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func done(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }

// readJSON reads a bounded body into v; fields that v does not have are refused.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return err
		}
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "JSON").Because(err)
	}
	return nil
}

// onStep runs an action of the session on the step of the address.
func (s *Site) onStep(w http.ResponseWriter, r *http.Request, act func(learner, lab, step string) error) error {
	lab, step, err := s.stepOf(r)
	if err != nil {
		return err
	}
	if err := act(who(r), lab.ID, step.ID); err != nil {
		return err
	}
	done(w)
	return nil
}

func (s *Site) start(w http.ResponseWriter, r *http.Request) error {
	return s.onStep(w, r, s.Sessions.Start)
}

func (s *Site) reset(w http.ResponseWriter, r *http.Request) error {
	return s.onStep(w, r, s.Sessions.Reset)
}

func (s *Site) extend(w http.ResponseWriter, r *http.Request) error {
	return s.onStep(w, r, func(learner, lab, _ string) error { return s.Sessions.Extend(learner, lab) })
}

func (s *Site) end(w http.ResponseWriter, r *http.Request) error {
	return s.onStep(w, r, func(learner, lab, _ string) error { return s.Sessions.End(learner, lab) })
}

func (s *Site) predict(w http.ResponseWriter, r *http.Request) error {
	var in struct{ ID, Option string }
	if err := readJSON(w, r, maxBody, &in); err != nil {
		return err
	}
	return s.onStep(w, r, func(learner, lab, step string) error {
		return s.Sessions.Predict(learner, lab, step, in.ID, in.Option)
	})
}

// apply answers with what became of each object, or with the error at its line.
func (s *Site) apply(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Name, Text string }
	if err := readJSON(w, r, maxText, &in); err != nil {
		return err
	}
	lab, step, err := s.stepOf(r)
	if err != nil {
		return err
	}
	ctx, cancel := withTimeout(r)
	defer cancel()
	applied, err := s.Sessions.Apply(ctx, who(r), lab.ID, step.ID, in.Name, []byte(in.Text))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"applied": applied})
	return nil
}

// apart runs a pod's containers as plain ones beside it.
func (s *Site) apart(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Pod string }
	if err := readJSON(w, r, maxBody, &in); err != nil {
		return err
	}
	lab, _, err := s.stepOf(r)
	if err != nil {
		return err
	}
	ctx, cancel := withTimeout(r)
	defer cancel()
	applied, err := s.Sessions.Apart(ctx, who(r), lab.ID, in.Pod)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"applied": applied})
	return nil
}

func (s *Site) preview(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Pod  string
		Port int
	}
	if err := readJSON(w, r, maxBody, &in); err != nil {
		return err
	}
	lab, _, err := s.stepOf(r)
	if err != nil {
		return err
	}
	if in.Port < 1 || in.Port > 65535 || len(in.Pod) > 63 {
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "port")
	}
	if _, err := s.Sessions.Agent(who(r), lab.ID); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"url": s.Preview.URL(r, who(r), lab.ID, in.Pod, in.Port)})
	return nil
}

// file gives a manifest as it is on the node. It is a learner's text: never anything but plain text to a browser.
func (s *Site) file(w http.ResponseWriter, r *http.Request) error {
	lab, step, err := s.stepOf(r)
	if err != nil {
		return err
	}
	ctx, cancel := withTimeout(r)
	defer cancel()
	data, err := s.Sessions.File(ctx, who(r), lab.ID, step.ID, chi.URLParam(r, "name"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(data)
	return err
}
