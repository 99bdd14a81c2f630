// Package web is what a browser gets: pages (templ), the bundle of TypeScript views and styles, and the words of both languages.
//
// The pages are templates over the view models of this file; whoever serves them fills those in (server) and knows the rest.
// Views run in the browser over labs.Frame; their TypeScript types are generated from Go (web/types).
package web

import (
	"html/template"

	"podlab/labs"
)

// Page is what every page needs.
type Page struct {
	Lang  string // "en" or "zh"
	Path  string // of this page behind the language, with a leading slash: the language switch keeps it
	Theme string // the reader's choice by cookie "theme": "light", "dark", or empty for the system's
	Nonce string // of this response's Content-Security-Policy
	Title string // of the window, without the site's name

	Origin string // of the site as this reader reached it: https://lab.example.org
	About  string // what is on the page, in a sentence, for search engines; empty: what Podlab is
}

// Home is the front page: what this is, and the course.
type Home struct {
	Page
	Modules []Module
	Resume  *Resume // where this learner was last; nil for a new one
}

// Module is a chapter of the course map.
type Module struct {
	ID    string // "3"
	Title string
	Labs  []LabCard
}

// LabCard is one lab on the course map. A lab that is still to come has no ID.
type LabCard struct {
	ID      string // of its address, /l/ID; empty: to come
	Number  string // "3.1"
	Title   string
	Summary string
	Minutes int
	Steps   int
	Done    int // steps this learner has done
}

// Resume is the way back to where the learner was.
type Resume struct {
	Lab, Step string // ids
	Title     string // of the lab
	StepTitle string
	Live      bool // its node is still there
}

// Lab is the lab page.
type Lab struct {
	Page
	Lesson
	Preview string // origin that port previews come from, for the frame's policy; empty when there is none
}

// Lesson is one step of a lab: the column beside the views. LessonOf makes it from a lab.
type Lesson struct {
	Lang     string
	Lab      string // id
	LabTitle string
	Module   string // title
	Step     string // id
	Title    string
	Minutes  int // of this step; 0 when not said
	Steps    []StepLink

	Blocks    []labs.Block // the page, from top to bottom; HTML in it comes from the labs' renderer and is trusted
	Solution  bool         // there is one
	Example   bool         // there is a recording of somebody who does it
	Views     []string     // ids of the views that matter here; the first is shown
	Compare   labs.Compare // what stands side by side
	Terminals []string     // open at first: "node" or a Container.ID
	Files     []string     // names of the manifests that can be edited
	Absent    []string     // images that the lab uses and this machine does not have yet
	Recorded  bool         // it stands beside a recording: there is nothing to do in it
}

// StepLink is one dot of the steps.
type StepLink struct {
	ID, Title string
	Done      bool
}

// Hint is the partial of one tier of a check's hints.
type Hint struct {
	Lang        string
	Lab, Step   string
	Check       string
	Tier, Tiers int
	Text        template.HTML
}

// Solution is the partial of a step's solution.
type Solution struct {
	Lang string
	HTML template.HTML
}

// Replay is the page that shows a recording.
type Replay struct {
	Page
	File string // address of the recording's file; empty: the visitor brings one
	Lab  string // title of its lab; empty when only the file tells
}

// Failure is an error page: a code of web/words with its parameters.
type Failure struct {
	Page
	Status int
	Code   string
	Params map[string]string
}

// Queue is the page of a full machine: the place in the queue. It asks again by itself.
type Queue struct {
	Page
	Place int
	Lab   string
	Step  string
}

// step returns the index of the current step, -1 when it is not among them.
func (l Lesson) step() int {
	for i, s := range l.Steps {
		if s.ID == l.Step {
			return i
		}
	}
	return -1
}

// neighbour returns the step d steps away, nil past either end.
func (l Lesson) neighbour(d int) *StepLink {
	i := l.step() + d
	if l.step() < 0 || i < 0 || i >= len(l.Steps) {
		return nil
	}
	return &l.Steps[i]
}

// url is the address of a step of this lab.
func (l Lesson) url(step string) string { return "/" + l.Lang + "/l/" + l.Lab + "/" + step }

// Views are the ids of all views, in the order of their tabs.
var Views = labs.ViewNames

// other is the language that the switch leads to.
func other(lang string) string {
	if lang == "zh" {
		return "en"
	}
	return "zh"
}

// tag is the BCP 47 tag of a language.
func tag(lang string) string {
	if lang == "zh" {
		return "zh-Hans"
	}
	return "en"
}
