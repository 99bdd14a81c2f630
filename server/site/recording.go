package site

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"podlab/labs"
	"podlab/labs/record"
	"podlab/sandbox"
	"podlab/web"
)

// Of recordings that browsers send to have them judged or written otherwise.
const (
	maxSending  = 256 << 20        // bytes in memory, of all learners
	piece       = 64 << 10         // of them that are taken at a time
	maxJudging  = 2                // at a time, of all learners
	castWithin  = 20 * time.Second // also the time to wait for a place
	judgeLeast  = 10 * time.Second
	judgePerMiB = 5 * time.Second // an hour, of 4.4 MB, took 7.5 s
	judgeMost   = 2 * time.Minute
)

func (s *Site) startRecording(w http.ResponseWriter, r *http.Request) error {
	return s.onStep(w, r, func(learner, lab, _ string) error { return s.Recordings.Start(learner, lab) })
}

func (s *Site) stopRecording(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := withTimeout(r)
	defer cancel()
	return s.onStep(w, r, func(learner, _, _ string) error { return s.Recordings.Stop(ctx, learner) })
}

// recordings are the learner's own; ?lang= is the language of their titles.
func (s *Site) recordings(w http.ResponseWriter, r *http.Request) error {
	all := s.Recordings.List(who(r))
	for i := range all {
		all[i].Title = s.titleOf(all[i].Lab, r.URL.Query().Get("lang"))
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string]any{"recordings": all})
	return nil
}

// titleOf is a lab's title in Chinese or else in English, empty when the course does not have the lab.
func (s *Site) titleOf(id, lang string) string {
	lab, ok := s.Course.Lab(id)
	if !ok {
		return ""
	}
	if lang == string(labs.Chinese) {
		return lab.Text(labs.Chinese).Title
	}
	return lab.Text(labs.English).Title
}

func (s *Site) deleteRecording(w http.ResponseWriter, r *http.Request) error {
	if err := s.Recordings.Delete(who(r), chi.URLParam(r, "recording")); err != nil {
		return err
	}
	done(w)
	return nil
}

// recordingFile gives a recording to whoever has its link: never anything but a download to a browser.
func (s *Site) recordingFile(w http.ResponseWriter, r *http.Request) error {
	file, one, err := s.Recordings.File(chi.URLParam(r, "recording"))
	if err != nil {
		return err
	}
	defer file.Close()
	name := "podlab-" + unsafe.ReplaceAllString(one.Lab, "") + time.UnixMilli(one.Started).UTC().Format("-2006-01-02-1504") + record.Extension
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	http.ServeContent(w, r, "", time.Time{}, file)
	return nil
}

var unsafe = regexp.MustCompile(`[^A-Za-z0-9.-]`)

// openRecording is the page that shows a file which the visitor has: it stays in the browser.
func (s *Site) openRecording(w http.ResponseWriter, r *http.Request) error {
	return s.replay(w, r, "", "")
}

// recording is the page that a link leads to.
func (s *Site) recording(w http.ResponseWriter, r *http.Request) error {
	file, one, err := s.Recordings.File(chi.URLParam(r, "recording"))
	if err != nil {
		return err
	}
	_ = file.Close() // nothing was written
	return s.replay(w, r, "/api/recordings/"+one.ID+"/file", one.Lab)
}

// example is the page of the recording that a lab brings for a step.
func (s *Site) example(w http.ResponseWriter, r *http.Request) error {
	lab, step, err := s.stepOf(r)
	if err != nil {
		return err
	}
	if len(step.Example) == 0 {
		return notFound("recording", "")
	}
	return s.replay(w, r, "/api/recordings/example/"+lab.ID+"/"+step.ID, lab.ID)
}

func (s *Site) exampleFile(w http.ResponseWriter, r *http.Request) error {
	_, step, err := s.stepOf(r)
	if err != nil {
		return err
	}
	if len(step.Example) == 0 {
		return notFound("recording", "")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", "attachment")
	_, err = w.Write(step.Example)
	return err
}

func (s *Site) replay(w http.ResponseWriter, r *http.Request, file, lab string) error {
	page := s.page(r, "")
	page.Title = web.WordsOf(page.Lang).Say("recording.title")
	title := s.titleOf(lab, page.Lang)
	if title != "" {
		page.Title = title + " · " + page.Title
	}
	return render(w, r, web.ReplayPage(web.Replay{Page: page, File: file, Lab: title}))
}

// recordedLesson is the lesson beside a recording: without anything that one could do.
func (s *Site) recordedLesson(w http.ResponseWriter, r *http.Request) error {
	lab, step, err := s.stepOf(r)
	if err != nil {
		return err
	}
	lesson := web.LessonOf(s.Course, lab, step, chi.URLParam(r, "lang"), nil)
	lesson.Recorded = true
	return render(w, r, web.LessonPartial(lesson))
}

// sent reads the recording that is a request's body, and then takes a place among those that are judged: who sends slowly keeps nobody's.
func (s *Site) sent(w http.ResponseWriter, r *http.Request) (file *record.Reader, leave func(), err error) {
	data, free, err := s.received(w, r)
	if err == nil {
		file, err = record.Open(bytes.NewReader(data), int64(len(data)))
	}
	if err != nil {
		free()
		return nil, nil, badRecording(err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), castWithin)
	defer cancel()
	back, err := s.judging.enter(ctx, address(r))
	if err != nil {
		free()
		return nil, nil, err
	}
	return file, func() { back(); free() }, nil
}

// received reads a body of the size of a recording. Its memory is taken, as it comes, from what there is for those of all; free gives it back.
func (s *Site) received(w http.ResponseWriter, r *http.Request) (data []byte, free func(), err error) {
	var all bytes.Buffer
	held := int64(0)
	free = func() { s.sending.Release(held) }
	for body := http.MaxBytesReader(w, r.Body, record.MaxFile); err == nil; {
		if !s.sending.TryAcquire(piece) {
			return nil, free, errTooMany
		}
		held += piece
		_, err = io.CopyN(&all, body, piece)
	}
	if !errors.Is(err, io.EOF) {
		return nil, free, err
	}
	return all.Bytes(), free, nil
}

// badRecording tells the visitor that a file is none.
func badRecording(err error) error {
	if errors.Is(err, record.ErrBad) {
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "recording").Because(err)
	}
	return err
}

// verdicts is what a recording's checks are at one moment.
type verdicts struct {
	Step   string           `json:"step"`
	Checks []record.Verdict `json:"checks"`
}

// recheck judges a recording anew, up to ?at= (milliseconds), by the labs of this course.
func (s *Site) recheck(w http.ResponseWriter, r *http.Request) error {
	at, err := strconv.ParseUint(r.URL.Query().Get("at"), 10, 32)
	if err != nil {
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "at")
	}
	file, leave, err := s.sent(w, r)
	if err != nil {
		return err
	}
	defer leave()
	lab, ok := s.Course.Lab(file.Header.Lab)
	if !ok {
		return notFound("lab", file.Header.Lab)
	}
	within := judgeWithin(file.Size())
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(within + writeWithin)); err != nil {
		return err
	}
	out, err := rejudge(ctx, lab, file, time.Duration(at)*time.Millisecond) //nolint:gosec // 32 bits
	if err != nil {
		return badRecording(err)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// judgeWithin is how long a file of so many bytes may be judged. One that is short and takes long is no recording of a session: 110 KB can
// hold a GiB of frames.
func judgeWithin(size int64) time.Duration {
	return min(judgeMost, judgeLeast+time.Duration(size)*judgePerMiB>>20)
}

func rejudge(ctx context.Context, lab *labs.Lab, file *record.Reader, at time.Duration) (verdicts, error) {
	judge, session := labs.NewJudge(lab), labs.SessionView{}
	for shown, err := range file.Frames() {
		if err == nil && shown.At > at {
			break
		}
		if err == nil {
			err = judge.Take(shown.Taken)
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return verdicts{}, err
		}
		session = shown.Frame.Session
	}
	was := map[string]string{}
	for _, c := range session.Checks {
		was[c.ID] = c.State
	}
	out := verdicts{Step: judge.Step(), Checks: []record.Verdict{}}
	for _, c := range judge.Checks() {
		out.Checks = append(out.Checks, record.Verdict{ID: c.ID, State: c.State, Was: was[c.ID], Given: judge.Given(c.ID)})
	}
	return out, nil
}

// cast writes a terminal of a recording, ?terminal= (its number), as asciicast v2.
func (s *Site) cast(w http.ResponseWriter, r *http.Request) error {
	number, err := strconv.ParseUint(r.URL.Query().Get("terminal"), 10, 8)
	if err != nil {
		return sandbox.Errorf(sandbox.CodeBadRequest, "detail", "terminal")
	}
	file, leave, err := s.sent(w, r)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), castWithin)
	defer cancel()
	var found size
	if err := file.Cast(ctx, int(number), &found); err != nil { //nolint:gosec // eight bits
		return badRecording(err)
	}
	if found == 0 {
		return notFound("terminal", strconv.FormatUint(number, 10))
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-asciicast")
	out := bufio.NewWriterSize(w, 32<<10)                                                      // not all in memory: what is packed well becomes a GiB
	if err := errors.Join(file.Cast(r.Context(), int(number), out), out.Flush()); err != nil { //nolint:gosec // eight bits
		panic(http.ErrAbortHandler) // it was good a moment ago: whoever asked has gone, or is too slow
	}
	return nil
}

// size counts what is written to it.
type size int64

func (n *size) Write(p []byte) (int, error) {
	*n += size(len(p))
	return len(p), nil
}
