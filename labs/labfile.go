package labs

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"podlab/labs/expr"
	"podlab/sandbox/manifest"
)

// labReader reads one lab.yaml.
type labReader struct {
	*sheet
	fsys fs.FS // the lab's folder
	lab  *Lab
	used map[string]bool   // files of the folder that something refers to
	seen map[string][]byte // examples, by the step that they are of
}

// readLab reads lab.yaml of a lab's folder. dir is for messages.
func readLab(fsys fs.FS, dir string, problems *Problems) *Lab {
	lab := &Lab{ID: path.Base(dir), Files: map[string][]byte{}}
	lab.Number, _, _ = strings.Cut(lab.ID, "-")
	file := path.Join(dir, "lab.yaml")
	data, err := fs.ReadFile(fsys, "lab.yaml")
	if err != nil {
		*problems = append(*problems, Problem{File: file, Text: "is missing"})
		return nil
	}
	var raw labYAML
	s := readSheet(file, data, &raw, problems)
	if s == nil {
		return nil
	}
	r := &labReader{sheet: s, fsys: fsys, lab: lab, used: map[string]bool{}, seen: map[string][]byte{}}
	r.files(dir)
	r.whole(&raw)
	r.examples(dir)
	r.unused(dir)
	return lab
}

// files reads the lab's manifests and refuses files that a lab does not have.
func (r *labReader) files(dir string) {
	known := []string{"lab.yaml", "en.md", "zh.md"}
	err := fs.WalkDir(r.fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || slices.Contains(known, name) {
			return err
		}
		manifest, _ := path.Match("pods/*.yaml", name)
		example, _ := path.Match("examples/*.podlab", name)
		if !manifest && !example {
			text := "is not a file of a lab (lab.yaml, en.md, zh.md, pods/*.yaml, examples/*.podlab)"
			*r.problems = append(*r.problems, Problem{File: path.Join(dir, name), Text: text})
			return nil
		}
		data, err := fs.ReadFile(r.fsys, name)
		if example {
			r.seen[strings.TrimSuffix(path.Base(name), ".podlab")] = data
		} else {
			r.lab.Files[name] = data
		}
		return err
	})
	if err != nil {
		*r.problems = append(*r.problems, Problem{File: dir, Text: err.Error()})
	}
}

// examples gives each step the recording that is named for it.
func (r *labReader) examples(dir string) {
	for _, id := range slices.Sorted(maps.Keys(r.seen)) {
		step, _, ok := r.lab.Step(id)
		if !ok {
			*r.problems = append(*r.problems, Problem{File: path.Join(dir, "examples", id+".podlab"), Text: "is named for a step that the lab does not have"})
			continue
		}
		step.Example = r.seen[id]
	}
}

func (r *labReader) unused(dir string) {
	for _, name := range slices.Sorted(maps.Keys(r.lab.Files)) {
		if !r.used[name] {
			*r.problems = append(*r.problems, Problem{File: path.Join(dir, name), Text: "nothing in lab.yaml refers to it"})
		}
	}
}

func (r *labReader) whole(raw *labYAML) {
	r.minutes(fieldPath{"minutes"}, raw.Minutes)
	r.lab.Minutes = raw.Minutes
	r.lab.Node = r.nodeSize(fieldPath{"node"}, raw.Node)
	for i, name := range raw.Images {
		if name == "" {
			r.at(fieldPath{"images", i}, "is empty")
		}
		r.image(name)
	}
	r.lab.Ahead = raw.Ahead == nil || *raw.Ahead
	if len(raw.Steps) == 0 {
		r.at(fieldPath{"steps"}, "a lab has at least one step")
	}
	ids := r.distinct()
	for i := range raw.Steps {
		p := fieldPath{"steps", i}
		ids(p.to("id"), raw.Steps[i].ID)
		if i == 0 && raw.Steps[i].Continue {
			r.at(p.to("continue"), "the first step has none before it")
		}
		r.lab.Steps = append(r.lab.Steps, r.step(p, &raw.Steps[i]))
	}
}

func (r *labReader) step(p fieldPath, raw *stepYAML) *Step {
	step := &Step{ID: raw.ID, Minutes: raw.Minutes, Continue: raw.Continue, Terminals: raw.Terminals}
	r.minutes(p.to("minutes"), raw.Minutes)
	step.Views = r.views(p.to("views"), raw.Views)
	step.Manifests = r.manifests(p.to("manifests"), raw.Manifests)
	step.Start = r.actions(p.to("start"), raw.Start)
	ids := r.distinct()
	for i, k := range raw.Keep {
		q := p.to("keep", i)
		r.param(q.to("id"), k.ID)
		step.Keep = append(step.Keep, &Keep{ID: k.ID, When: r.condition(q.to("when"), k.When), Value: r.value(q.to("value"), k.Value)})
	}
	for i := range raw.Predictions {
		ids(p.to("predictions", i, "id"), raw.Predictions[i].ID)
		step.Predictions = append(step.Predictions, r.prediction(p.to("predictions", i), &raw.Predictions[i]))
	}
	for i := range raw.Checks {
		ids(p.to("checks", i, "id"), raw.Checks[i].ID)
		step.Checks = append(step.Checks, r.check(p.to("checks", i), &raw.Checks[i]))
	}
	for i, c := range raw.Reached {
		ids(p.to("reached", i, "id"), c.ID)
		step.Reached = append(step.Reached, &Reached{ID: c.ID, When: r.condition(p.to("reached", i, "when"), c.When)})
	}
	step.Solution = r.actions(p.to("solution"), raw.Solution)
	for i := range raw.Wrong {
		ids(p.to("wrong", i, "id"), raw.Wrong[i].ID)
		step.Wrong = append(step.Wrong, r.wrong(p.to("wrong", i), step, &raw.Wrong[i]))
	}
	if len(step.Checks) > 0 && len(step.Solution) == 0 {
		r.at(p.to("solution"), "a step with checks has a solution")
	}
	r.keptNames(p, step, raw)
	return step
}

// keptNames holds every kept.NAME in the step's expressions against its keep list.
func (r *labReader) keptNames(p fieldPath, step *Step, raw *stepYAML) {
	known := map[string]bool{}
	for _, k := range step.Keep {
		if known[k.ID] {
			r.at(p.to("keep"), "%q is there twice", k.ID)
		}
		known[k.ID] = true
	}
	for i, a := range raw.Start {
		if names, err := expr.KeptNames(a.Wait); err == nil && len(names) > 0 {
			r.at(p.to("start", i, "wait"), "nothing is kept before the step began")
		}
	}
	eachExpression(p, raw, func(at fieldPath, source string) {
		names, err := expr.KeptNames(source)
		if err != nil {
			return // the compiler said so already
		}
		for _, name := range names {
			if !known[name] {
				r.at(at, "kept.%s is not in this step's keep", name)
			}
		}
	})
}

func eachExpression(p fieldPath, raw *stepYAML, visit func(fieldPath, string)) {
	each := func(p fieldPath, sources map[string]string) {
		for name, source := range sources {
			visit(p.to(name), source)
		}
	}
	for i, k := range raw.Keep {
		visit(p.to("keep", i, "when"), k.When)
		visit(p.to("keep", i, "value"), k.Value)
	}
	for i, x := range raw.Predictions {
		visit(p.to("predictions", i, "when"), x.When)
		each(p.to("predictions", i, "answers"), x.Answers)
		each(p.to("predictions", i, "seen"), x.Seen)
	}
	for i, c := range raw.Checks {
		visit(p.to("checks", i, "when"), c.When)
		visit(p.to("checks", i, "guard"), c.Guard)
		each(p.to("checks", i, "found"), c.Found)
	}
	for i, x := range raw.Reached {
		visit(p.to("reached", i, "when"), x.When)
	}
	for i, a := range raw.Solution {
		visit(p.to("solution", i, "wait"), a.Wait)
	}
	for i, w := range raw.Wrong {
		visit(p.to("wrong", i, "when"), w.When)
		for j, a := range w.Do {
			visit(p.to("wrong", i, "do", j, "wait"), a.Wait)
		}
	}
}

func (r *labReader) views(p fieldPath, raw viewsYAML) Views {
	if len(raw.Open) == 0 {
		r.at(p.to("open"), "a step opens at least one view")
	}
	for i, name := range raw.Open {
		if !slices.Contains(ViewNames, name) {
			r.at(p.to("open", i), "%q is not one of %s", name, strings.Join(ViewNames, ", "))
		}
	}
	return Views{Open: raw.Open, Compare: Compare{Left: raw.Compare.Left, Right: raw.Compare.Right}}
}

func (r *labReader) manifests(p fieldPath, raw []writeYAML) []Manifest {
	var all []Manifest
	for i, m := range raw {
		r.fileName(p.to(i, "file"), m.File)
		if objects, err := manifest.Decode(r.file(p.to(i, "from"), m.From)); err == nil { // one with a slip in it is the lesson's business
			r.images(objects)
		}
		if m.Text != nil {
			r.at(p.to(i, "text"), "a manifest is a file of the lab's folder: use from")
		}
		all = append(all, Manifest{File: m.File, From: m.From})
	}
	return all
}

func (r *labReader) prediction(p fieldPath, raw *predictionYAML) *Prediction {
	x := &Prediction{ID: raw.ID, Options: raw.Options, When: r.condition(p.to("when"), raw.When), Answers: map[string]*expr.Condition{}}
	if len(raw.Options) < 2 {
		r.at(p.to("options"), "a prediction has at least two options")
	}
	ids := r.distinct()
	for i, option := range raw.Options {
		ids(p.to("options", i), option)
		x.Answers[option] = r.condition(p.to("answers", option), raw.Answers[option])
	}
	for option := range raw.Answers {
		if !slices.Contains(raw.Options, option) {
			r.at(p.to("answers", option), "is not one of the options")
		}
	}
	x.Seen = r.values(p.to("seen"), raw.Seen)
	return x
}

func (r *labReader) check(p fieldPath, raw *checkYAML) *Check {
	c := &Check{ID: raw.ID, Hold: raw.Hold, Hints: raw.Hints}
	if raw.Hints < 1 || raw.Hints > 5 {
		r.at(p.to("hints"), "a check has 1 to 5 hints")
	}
	probes := 0
	if raw.Exec != nil {
		probes++
		c.Exec = r.execProbe(p.to("exec"), raw.Exec)
	}
	if raw.HTTP != nil {
		probes++
		c.HTTP = r.httpProbe(p.to("http"), raw.HTTP)
	}
	switch {
	case probes > 1:
		r.at(p, "exec or http, not both")
	case probes == 1 && (raw.When != "" || raw.Guard == ""):
		r.at(p.to("guard"), "a check with exec or http has guard and no when")
	case probes == 0 && raw.Guard != "":
		r.at(p.to("guard"), "is for checks with exec or http")
	}
	if probes == 1 {
		c.When = r.condition(p.to("guard"), raw.Guard)
	} else {
		c.When = r.condition(p.to("when"), raw.When)
	}
	c.Found = r.values(p.to("found"), raw.Found)
	return c
}

func (r *labReader) execProbe(p fieldPath, raw *execYAML) *ExecProbe {
	if raw.Container == "" || len(raw.Argv) == 0 {
		r.at(p, "exec has container and argv")
	}
	return &ExecProbe{Container: raw.Container, Argv: raw.Argv, Exit: raw.Exit, Expect: r.pattern(p.to("expect"), raw.Expect)}
}

func (r *labReader) httpProbe(p fieldPath, raw *httpYAML) *HTTPProbe {
	probe := &HTTPProbe{Pod: raw.Pod, Port: raw.Port, Path: raw.Path, Status: raw.Status, Expect: r.pattern(p.to("expect"), raw.Expect)}
	if probe.Pod == "" || probe.Port < 1 || probe.Port > 65535 || !strings.HasPrefix(probe.Path, "/") {
		r.at(p, "http has pod, port and a path that begins with /")
	}
	if probe.Status == 0 {
		probe.Status = 200
	}
	return probe
}

func (r *labReader) wrong(p fieldPath, step *Step, raw *wrongYAML) *Wrong {
	if _, ok := step.Check(raw.Check); !ok {
		r.at(p.to("check"), "%q is not a check of this step", raw.Check)
	}
	if len(raw.Do) == 0 {
		r.at(p.to("do"), "a wrong solution says how a learner gets there")
	}
	return &Wrong{ID: raw.ID, Check: raw.Check, When: r.condition(p.to("when"), raw.When), Do: r.actions(p.to("do"), raw.Do)}
}
