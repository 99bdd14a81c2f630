package site

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"golang.org/x/text/language"

	"podlab/labs"
	"podlab/sandbox"
	"podlab/web"
)

var languages = language.NewMatcher([]language.Tag{language.English, language.SimplifiedChinese})

// preferred is the language that the browser asks for.
func preferred(r *http.Request) string {
	_, index := language.MatchStrings(languages, r.Header.Get("Accept-Language"))
	return web.Langs[index]
}

func (s *Site) chooseLanguage(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Accept-Language")
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/"+preferred(r)+"/", http.StatusFound)
	return nil
}

// page fills in what every page needs.
func (s *Site) page(r *http.Request, title string) web.Page {
	lang, rest, ok := behindLanguage(r.URL.Path)
	if !ok {
		lang, rest = preferred(r), "/"
	}
	return web.Page{Lang: lang, Path: rest, Theme: theme(r), Nonce: nonceOf(r), Title: title, Origin: s.scheme() + "://" + r.Host} // Hosts allows it
}

func (s *Site) scheme() string {
	if s.Secure {
		return "https"
	}
	return "http"
}

// render writes a page when all of it is there: one that fails half-way becomes an error page.
func render(w http.ResponseWriter, r *http.Request, page templ.Component) error {
	var whole bytes.Buffer
	if err := page.Render(r.Context(), &whole); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "HX-Request")
	_, err := whole.WriteTo(w)
	return err
}

func (s *Site) home(w http.ResponseWriter, r *http.Request) error {
	done, err := s.Sessions.Progress(r.Context(), who(r))
	if err != nil {
		return err
	}
	page := s.page(r, "")
	page.Title = web.WordsOf(page.Lang).Say("home.title")
	modules := web.ModulesOf(s.Course, page.Lang, func(lab string) int { return len(stepsDone(done[lab])) })
	return render(w, r, web.HomePage(web.Home{Page: page, Modules: modules, Resume: s.resume(page.Lang, who(r), done)}))
}

// resume is the way back: the live session, or the lab that was worked on last.
func (s *Site) resume(lang, learner string, done map[string]labs.Progress) *web.Resume {
	id, step, live := s.Sessions.Live(learner)
	if !live {
		var newest int64
		for lab, p := range done {
			if p.At > newest {
				id, step, newest = lab, p.Last, p.At
			}
		}
	}
	lab, ok := s.Course.Lab(id)
	if !ok {
		return nil
	}
	at, _, ok := lab.Step(step)
	if !ok {
		return nil
	}
	in := labs.Lang(lang)
	return &web.Resume{Lab: id, Step: step, Title: lab.Text(in).Title, StepTitle: at.Text(in).Title, Live: live}
}

// enterLab leads to the step that the learner was in last, or to the first.
func (s *Site) enterLab(w http.ResponseWriter, r *http.Request) error {
	lab, ok := s.Course.Lab(chi.URLParam(r, "lab"))
	if !ok {
		return notFound("lab", chi.URLParam(r, "lab"))
	}
	step := lab.Steps[0].ID
	if id, at, live := s.Sessions.Live(who(r)); live && id == lab.ID {
		step = at
	} else if done, err := s.Sessions.Progress(r.Context(), who(r)); err != nil {
		return err
	} else if _, _, ok := lab.Step(done[lab.ID].Last); ok {
		step = done[lab.ID].Last
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/"+chi.URLParam(r, "lang")+"/l/"+lab.ID+"/"+step, http.StatusFound)
	return nil
}

func notFound(kind, name string) error {
	return sandbox.Errorf(sandbox.CodeNotFound, "kind", kind, "name", name)
}

// stepOf finds the lab and the step of the address.
func (s *Site) stepOf(r *http.Request) (*labs.Lab, *labs.Step, error) {
	return s.Course.Find(chi.URLParam(r, "lab"), chi.URLParam(r, "step"))
}

// lab is the whole page, or for htmx only the step.
func (s *Site) lab(w http.ResponseWriter, r *http.Request) error {
	lab, step, err := s.stepOf(r)
	if err != nil {
		return err
	}
	done, err := s.Sessions.Progress(r.Context(), who(r))
	if err != nil {
		return err
	}
	page := s.page(r, step.Text(labs.Lang(chi.URLParam(r, "lang"))).Title)
	page.About = lab.Text(labs.Lang(page.Lang)).Summary
	lesson := web.LessonOf(s.Course, lab, step, page.Lang, stepsDone(done[lab.ID]))
	lesson.Absent = s.Sessions.Absent(r.Context(), lab)
	if r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-History-Restore-Request") != "true" {
		return render(w, r, web.LessonPartial(lesson))
	}
	return render(w, r, web.LabPage(web.Lab{Page: page, Lesson: lesson, Preview: s.Preview.Origin(r)}))
}

func stepsDone(p labs.Progress) []string {
	var done []string
	for id, step := range p.Steps {
		if step.Done > 0 {
			done = append(done, id)
		}
	}
	slices.Sort(done)
	return done
}

// hintPartial shows one tier. Asking for the tier after the last granted one grants it: only our own pages can send HX-Request.
func (s *Site) hintPartial(w http.ResponseWriter, r *http.Request) error {
	lab, step, err := s.stepOf(r)
	if err != nil {
		return err
	}
	id := chi.URLParam(r, "check")
	tier, err := strconv.Atoi(chi.URLParam(r, "tier"))
	text := checkText(step.Text(labs.Lang(chi.URLParam(r, "lang"))), id)
	if err != nil || text == nil || tier < 1 || tier > len(text.Hints) {
		return notFound("hint", id)
	}
	if err := s.grant(r, lab.ID, step.ID, id, tier); err != nil {
		return err
	}
	return render(w, r, web.HintPartial(web.Hint{
		Lang: chi.URLParam(r, "lang"), Lab: lab.ID, Step: step.ID, Check: id,
		Tier: tier, Tiers: len(text.Hints), Text: text.Hints[tier-1],
	}))
}

func (s *Site) grant(r *http.Request, lab, step, check string, tier int) error {
	done, err := s.Sessions.Progress(r.Context(), who(r))
	if err != nil {
		return err
	}
	granted := done[lab].Steps[step].Hints[check]
	if tier <= granted {
		return nil
	}
	if tier > granted+1 || r.Header.Get("HX-Request") != "true" {
		return sandbox.Errorf(sandbox.CodeDenied)
	}
	_, err = s.Sessions.Hint(r.Context(), who(r), lab, step, check)
	return err
}

func checkText(text *labs.StepText, id string) *labs.CheckText {
	for _, b := range text.Blocks {
		if b.Kind == labs.BlockCheck && b.ID == id {
			return b.Check
		}
	}
	return nil
}

func (s *Site) solution(w http.ResponseWriter, r *http.Request) error {
	lab, step, err := s.stepOf(r)
	if err != nil {
		return err
	}
	if r.Header.Get("HX-Request") != "true" {
		return sandbox.Errorf(sandbox.CodeDenied)
	}
	if err := s.Sessions.ShowSolution(r.Context(), who(r), lab.ID, step.ID); err != nil {
		return err
	}
	lang := chi.URLParam(r, "lang")
	return render(w, r, web.SolutionPartial(web.Solution{Lang: lang, HTML: step.Text(labs.Lang(lang)).Solution}))
}
