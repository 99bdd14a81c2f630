package web

import (
	"slices"

	"podlab/labs"
)

// LessonOf makes the view model of one step. done are the ids of the lab's steps that this learner has done.
func LessonOf(course *labs.Course, lab *labs.Lab, step *labs.Step, lang string, done []string) Lesson {
	in := labs.Lang(lang)
	text := step.Text(in)
	l := Lesson{
		Lang: lang, Lab: lab.ID, LabTitle: lab.Text(in).Title, Module: moduleOf(course, lab, in),
		Step: step.ID, Title: text.Title, Minutes: step.Minutes,
		Blocks: text.Blocks, Solution: text.Solution != "" || len(step.Solution) > 0,
		Example: len(step.Example) > 0, Views: step.Views.Open, Compare: step.Views.Compare, Terminals: step.Terminals,
	}
	for _, s := range lab.Steps {
		l.Steps = append(l.Steps, StepLink{ID: s.ID, Title: s.Text(in).Title, Done: slices.Contains(done, s.ID)})
	}
	for _, m := range step.Manifests {
		l.Files = append(l.Files, m.File)
	}
	return l
}

func moduleOf(course *labs.Course, lab *labs.Lab, in labs.Lang) string {
	for _, m := range course.Modules {
		for _, e := range m.Labs {
			if e.Lab == lab {
				return m.Title[in]
			}
		}
	}
	return ""
}

// ModulesOf makes the course map. done tells how many steps of a lab this learner has done.
func ModulesOf(course *labs.Course, lang string, done func(lab string) int) []Module {
	in := labs.Lang(lang)
	var all []Module
	for _, m := range course.Modules {
		module := Module{ID: m.ID, Title: m.Title[in]}
		for _, e := range m.Labs {
			card := LabCard{Number: e.Number, Title: e.Title[in]}
			if e.Lab != nil {
				text := e.Lab.Text(in)
				card = LabCard{
					ID: e.Lab.ID, Number: e.Number, Title: text.Title, Summary: text.Summary,
					Minutes: e.Lab.Minutes, Steps: len(e.Lab.Steps), Done: done(e.Lab.ID),
				}
			}
			module.Labs = append(module.Labs, card)
		}
		all = append(all, module)
	}
	return all
}

// groups puts checks that follow each other into one list; every other block stands alone.
func groups(blocks []labs.Block) [][]labs.Block {
	var out [][]labs.Block
	for _, b := range blocks {
		last := len(out) - 1
		if b.Kind == labs.BlockCheck && last >= 0 && out[last][0].Kind == labs.BlockCheck {
			out[last] = append(out[last], b)
			continue
		}
		out = append(out, []labs.Block{b})
	}
	return out
}

// firstChecks tells whether group i is the first list of checks: the one that has the heading.
func firstChecks(blocks []labs.Block, i int) bool {
	for _, g := range groups(blocks)[:i] {
		if g[0].Kind == labs.BlockCheck {
			return false
		}
	}
	return true
}

// wrongs are the ids of a check's named wrong solutions, in a steady order.
func wrongs(c *labs.CheckText) []string {
	ids := make([]string, 0, len(c.Wrong))
	for id := range c.Wrong {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
