package main

import (
	"errors"
	"io/fs"
	"strings"

	"podlab/sandbox"
)

// words are the sentences of one language, by key; {name} stands for a parameter.
type words map[string]string

// wordsFor chooses a language: the first setting that names one.
func wordsFor(settings ...string) words {
	for _, s := range settings {
		switch {
		case strings.HasPrefix(s, "zh"):
			return chinese
		case strings.HasPrefix(s, "en"):
			return english
		}
	}
	return english
}

// say fills a sentence. A key without one is said as it is, so that nothing is ever swallowed.
func (w words) say(key string, params ...string) string {
	text, ok := w[key]
	if !ok {
		if text, ok = english[key]; !ok {
			return strings.TrimSpace(key + " " + strings.Join(params, " "))
		}
	}
	pairs := make([]string, 0, len(params)+1)
	for i := 0; i+1 < len(params); i += 2 {
		pairs = append(pairs, "{"+params[i]+"}", params[i+1])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// problem is the sentence of an error, with the file and line where it lies.
func (w words) problem(err error) string {
	where := ""
	var in *fileError
	if errors.As(err, &in) {
		where = in.file + ": "
		if in.file == "-" {
			where = ""
		}
	}
	e := sandbox.Public(err)
	if e.Code == sandbox.CodeInternal && errors.Is(err, fs.ErrNotExist) {
		return w.say("error.no_file", "name", in.file)
	}
	if e.Code == sandbox.CodeInternal && e.Cause != nil && in != nil {
		return where + e.Cause.Error()
	}
	if e.Code == sandbox.CodeNotFound && e.Params["kind"] == "socket" {
		return w.say("error.unavailable")
	}
	key := "error." + string(e.Code)
	if detail := e.Params["detail"]; detail != "" && w[key+"."+detail] != "" {
		key += "." + detail
	}
	if e.Code == sandbox.CodeBadValue && e.Params["detail"] == "" {
		key = "error.bad_value.other"
	}
	if e.Code == sandbox.CodeCannotStart && e.Params["command"] == "" {
		key = "error.cannot_start.container"
	}
	if e.Code == sandbox.CodeWaiting && e.Params["pod"] == "" {
		key = "error.waiting.plain"
	}
	if reason := e.Params["reason"]; reason != "" && w[key+"."+reason] != "" {
		key += "." + reason
	}
	params := make([]string, 0, 2*len(e.Params))
	for name, value := range e.Params {
		if name == "kind" {
			value = w.kind(value)
		}
		params = append(params, name, value)
	}
	if line := e.Params["line"]; line != "" {
		where += w.say("line", "line", line)
	}
	return where + strings.TrimSpace(w.say(key, params...)) // a word such as " Pod " may stand first
}

func (w words) kind(kind string) string {
	if word, ok := w["kind."+kind]; ok {
		return word
	}
	return kind
}
