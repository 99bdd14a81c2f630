package labs

import (
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"podlab/labs/expr"
)

// frontYAML is the front matter of a language file.
type frontYAML struct {
	Title   string   `yaml:"title"`
	Summary string   `yaml:"summary"`
	Goals   []string `yaml:"goals"`
}

// maxTitle and maxSummary bound what the course map shows, in characters.
const (
	maxTitle   = 60
	maxSummary = 200
)

// readProse reads the lab's languages and holds them against lab.yaml and against each other.
func readProse(fsys fs.FS, dir string, lab *Lab, problems *Problems) {
	lab.texts = map[Lang]*LabText{}
	for _, s := range lab.Steps {
		s.texts = map[Lang]*StepText{}
	}
	var first *prose
	for _, lang := range Langs {
		name := string(lang) + ".md"
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			*problems = append(*problems, Problem{File: path.Join(dir, name), Text: "is missing"})
			continue
		}
		p := splitProse(path.Join(dir, name), string(data), problems)
		lab.texts[lang] = p.labText()
		p.stepTexts(lab, lang)
		if first == nil {
			first = p
		} else {
			sameSections(first, p)
		}
	}
}

func (p *prose) labText() *LabText {
	var front frontYAML
	s := readSheet(p.file, []byte(p.front), &front, p.problems)
	if s == nil {
		return &LabText{}
	}
	if n := len([]rune(front.Title)); n == 0 || n > maxTitle {
		s.at(fieldPath{"title"}, "must have 1 to %d characters", maxTitle)
	}
	if n := len([]rune(front.Summary)); n == 0 || n > maxSummary {
		s.at(fieldPath{"summary"}, "must have 1 to %d characters", maxSummary)
	}
	if len(front.Goals) == 0 {
		s.at(fieldPath{"goals"}, "a lab has at least one")
	}
	text := &LabText{Title: front.Title, Summary: front.Summary}
	page := &page{prose: p, step: &Step{}}
	for i, goal := range front.Goals {
		text.Goals = append(text.Goals, page.inline("goals", goal, s.line(fieldPath{"goals", i})))
	}
	return text
}

func (p *prose) stepTexts(lab *Lab, lang Lang) {
	for i, s := range p.steps {
		switch {
		case s.word != "step" || s.id == "":
			p.add(s.line, s.key(), "level 1 is \"step ID: Title\"")
		case i >= len(lab.Steps) || lab.Steps[i].ID != s.id:
			p.add(s.line, s.key(), "lab.yaml has %s here", nthStep(lab, i))
		case s.title == "":
			p.add(s.line, s.key(), "has no title")
		default:
			lab.Steps[i].texts[lang] = p.stepText(lab.Steps[i], s)
		}
	}
	for i := len(p.steps); i < len(lab.Steps); i++ {
		p.add(0, "step "+lab.Steps[i].ID, "is missing")
	}
}

func nthStep(lab *Lab, i int) string {
	if i >= len(lab.Steps) {
		return "no step"
	}
	return "step " + lab.Steps[i].ID
}

// stepText reads one step's sections.
func (p *prose) stepText(step *Step, s *section) *StepText {
	text := &StepText{Title: s.title}
	page := &page{prose: p, step: step}
	if page.html(s.key(), s.body, s.bodyLine) != "" {
		p.add(s.bodyLine, s.key(), "text of a step stands below a heading of level 2: know, do, …")
	}
	seen := map[string]bool{}
	for _, b := range s.sub {
		if b.id != "" && seen[b.key()] {
			p.add(b.line, b.key(), "is there twice")
		}
		seen[b.key()] = true
		if b.word == "solution" {
			text.Solution = page.html(b.key(), b.body, b.bodyLine)
			page.noSub(b)
			continue
		}
		text.Blocks = append(text.Blocks, page.block(b))
	}
	p.wanted(step, s, seen)
	return text
}

// wanted says which sections that lab.yaml calls for are missing.
func (p *prose) wanted(step *Step, s *section, seen map[string]bool) {
	var keys []string
	for _, x := range step.Predictions {
		keys = append(keys, "prediction "+x.ID)
	}
	for _, c := range step.Checks {
		keys = append(keys, "check "+c.ID)
	}
	for _, r := range step.Reached {
		keys = append(keys, "reached "+r.ID)
	}
	if len(step.Solution) > 0 {
		keys = append(keys, "solution")
	}
	for _, key := range keys {
		if !seen[key] {
			p.add(s.line, key, "is in lab.yaml and has no section in step %s", step.ID)
		}
	}
}

// block reads one block of the page.
func (p *page) block(s *section) Block {
	b := Block{Kind: s.word, ID: s.id, Title: p.inline(s.key(), s.title, s.line), HTML: p.html(s.key(), s.body, s.bodyLine)}
	switch s.word {
	case BlockKnow, BlockDo, BlockObserve, BlockNote:
		if s.id != "" {
			p.add(s.line, s.key(), "%s has no id: write \"%s: Title\"", s.word, s.word)
		}
		p.noSub(s)
	case BlockWhy:
		p.known(s, s.id == "" || p.hasCheck(s.id) || p.hasPrediction(s.id), "a check or prediction")
		p.noSub(s)
	case BlockReached:
		p.known(s, slices.ContainsFunc(p.step.Reached, func(r *Reached) bool { return r.ID == s.id }), "a reached")
		p.noSub(s)
	case BlockPrediction:
		if p.known(s, p.hasPrediction(s.id), "a prediction") {
			b.Prediction = p.prediction(s)
		}
	case BlockCheck:
		if p.known(s, p.hasCheck(s.id), "a check") {
			b.Check = p.check(s)
		}
	default:
		p.add(s.line, s.key(), "%q is no block: know, do, observe, note, why, reached, prediction, check, solution", s.word)
	}
	return b
}

func (p *page) hasCheck(id string) bool {
	_, ok := p.step.Check(id)
	return ok
}

func (p *page) hasPrediction(id string) bool {
	_, ok := p.step.Prediction(id)
	return ok
}

func (p *page) known(s *section, ok bool, what string) bool {
	if !ok {
		p.add(s.line, s.key(), "is not %s of this step in lab.yaml", what)
	}
	return ok
}

func (p *page) noSub(s *section) {
	for _, sub := range s.sub {
		p.add(sub.line, sub.key(), "cannot stand below %s", s.key())
	}
}

func (p *page) prediction(s *section) *PredictionText {
	x, _ := p.step.Prediction(s.id)
	if s.title == "" {
		p.add(s.line, s.key(), "has no question")
	}
	text := &PredictionText{}
	q := p.with(x.Seen)
	options := map[string]OptionText{}
	why := false
	for _, sub := range s.sub {
		switch {
		case sub.word == "option" && slices.Contains(x.Options, sub.id):
			options[sub.id] = OptionText{ID: sub.id, Label: p.inline(sub.key(), sub.title, sub.line), HTML: q.html(sub.key(), sub.body, sub.bodyLine)}
			if sub.title == "" {
				p.add(sub.line, sub.key(), "has no label")
			}
		case sub.word == "why" && sub.id == "":
			why = true
			text.Why = q.html(s.key()+" why", sub.body, sub.bodyLine)
		default:
			p.add(sub.line, sub.key(), "is neither an option of lab.yaml nor why")
		}
	}
	for _, id := range x.Options {
		if _, ok := options[id]; !ok {
			p.add(s.line, "option "+id, "is in lab.yaml and has no section in %s", s.key())
		}
		text.Options = append(text.Options, options[id])
	}
	if !why || text.Why == "" {
		p.add(s.line, s.key(), "has no why")
	}
	q.allUsed(s)
	return text
}

func (p *page) check(s *section) *CheckText {
	c, _ := p.step.Check(s.id)
	if s.title == "" {
		p.add(s.line, s.key(), "has no title: the task in a few words")
	}
	text := &CheckText{Hints: make([]template.HTML, c.Hints), Wrong: map[string]template.HTML{}}
	q := p.with(c.Found)
	for _, sub := range s.sub {
		n, _ := strconv.Atoi(sub.id)
		switch {
		case sub.word == "found" && sub.id == "" && len(c.Found) > 0:
			text.Found = q.html("found", sub.body, sub.bodyLine)
		case sub.word == "hint" && n >= 1 && n <= c.Hints:
			text.Hints[n-1] = p.html(sub.key(), sub.body, sub.bodyLine)
		case sub.word == "wrong" && slices.ContainsFunc(p.step.Wrong, func(w *Wrong) bool { return w.ID == sub.id && w.Check == c.ID }):
			text.Wrong[sub.id] = p.html(sub.key(), sub.body, sub.bodyLine)
		default:
			p.add(sub.line, sub.key(), "is not in lab.yaml's check %s: found, hint N, wrong ID", c.ID)
		}
	}
	p.wantedOfCheck(s, c, text)
	q.allUsed(s)
	return text
}

func (p *page) wantedOfCheck(s *section, c *Check, text *CheckText) {
	if len(c.Found) > 0 && text.Found == "" {
		p.add(s.line, "found", "is in lab.yaml and has no section in %s", s.key())
	}
	for i, hint := range text.Hints {
		if hint == "" {
			p.add(s.line, "hint "+strconv.Itoa(i+1), "is in lab.yaml and has no section in %s", s.key())
		}
	}
	for _, w := range p.step.Wrong {
		if w.Check == c.ID && text.Wrong[w.ID] == "" {
			p.add(s.line, "wrong "+w.ID, "is in lab.yaml and has no section in %s", s.key())
		}
	}
}

// with returns a page on which the given values may stand as {name}.
func (p *page) with(values map[string]*expr.Value) *page {
	q := &page{prose: p.prose, step: p.step, params: []string{}, used: map[string]bool{}}
	for name := range values {
		q.params = append(q.params, name)
	}
	slices.Sort(q.params)
	return q
}

func (p *page) allUsed(s *section) {
	for _, name := range p.params {
		if !p.used[name] {
			p.add(s.line, s.key(), "{%s} is in lab.yaml and is not used", name)
		}
	}
}
