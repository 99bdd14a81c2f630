package site

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gorilla/websocket"

	"podlab/content"
	"podlab/labs"
	"podlab/labs/record"
	"podlab/sandbox"
)

// TestRecordingIsMadeSharedAndDeleted is a learner's path, and that of somebody who was given the link.
func TestRecordingIsMadeSharedAndDeleted(t *testing.T) {
	h := open(t, Limits{})
	ann, bob := h.come(), h.come()
	if status, _ := ann.post("record", "{}"); status != 404 {
		t.Errorf("recording without a session: %d", status)
	}
	f := ann.live()
	ann.post("start", "{}")
	f.until("ready", func(f labs.Frame) bool { return ready(f) && f.Snapshot != nil })
	if status, body := ann.post("record", "{}"); status != 204 {
		t.Fatalf("record: %d %s", status, body)
	}
	f.until("the sign", func(f labs.Frame) bool { return f.Session.Recording != 0 })
	term, _ := ann.terminal("node")
	if err := term.WriteMessage(websocket.BinaryMessage, []byte("echo recorded\r")); err != nil {
		t.Fatal(err)
	}
	readUntil(t, term, "\nrecorded")
	f.until("the recorder watches", func(f labs.Frame) bool {
		return f.Snapshot != nil && len(f.Snapshot.Terminals) == 1 && f.Snapshot.Terminals[0].Attached == 2
	})
	if status, body := ann.post("record/stop", "{}"); status != 204 {
		t.Fatalf("stop: %d %s", status, body)
	}
	f.until("no sign", func(f labs.Frame) bool { return f.Session.Recording == 0 })

	one := ann.recordings()[0]
	if one.Lab != lab33 || len(one.ID) != 26 || one.Expires <= time.Now().UnixMilli() || len(bob.recordings()) != 0 {
		t.Errorf("%+v; bob sees %v", one, bob.recordings())
	}
	var log lockedLog
	h.site.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	status, page, header := bob.get("/zh/recording/" + one.ID)
	in33, _ := h.site.Course.Lab(lab33)
	english, chinese := html.EscapeString(in33.Text(labs.English).Title), html.EscapeString(in33.Text(labs.Chinese).Title)
	if !strings.Contains(page, ">"+chinese+"</b>") || !strings.Contains(page, "<title>"+chinese+" · ") || strings.Contains(page, ">"+lab33+"<") {
		t.Errorf("the link's page does not say %s", chinese)
	}
	if _, list, _ := ann.get("/api/recordings/?lang=zh"); one.Title != english || !strings.Contains(list, `"title":"`+chinese+`"`) {
		t.Errorf("titles %q and in %s", one.Title, list)
	}
	if status != 200 || !strings.Contains(page, "/api/recordings/"+one.ID+"/file") || strings.Contains(header.Get("Content-Security-Policy"), "unsafe") {
		t.Errorf("the link: %d", status)
	}
	status, data, header := bob.get("/api/recordings/" + one.ID + "/file")
	if status != 200 || header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment; ") {
		t.Errorf("the file: %d %v", status, header)
	}
	file, err := record.Open(strings.NewReader(data), int64(len(data)))
	if err != nil || !file.Whole {
		t.Fatal(err)
	}
	status, cast, _ := bob.do("POST", "/api/recordings/cast?terminal=0", data)
	if status != 200 || !strings.HasPrefix(cast, `{"version":2,"width":80,"height":24,`) || !strings.Contains(cast, "recorded") {
		t.Errorf("asciicast: %d %.200s", status, cast)
	}
	if status, _, _ := bob.do("POST", "/api/recordings/"+one.ID+"/delete", ""); status != 404 {
		t.Errorf("bob deletes: %d", status)
	}
	if status, _, _ := ann.do("POST", "/api/recordings/"+one.ID+"/delete", ""); status != 204 {
		t.Errorf("delete: %d", status)
	}
	if status, _, _ := bob.get("/api/recordings/" + one.ID + "/file"); status != 404 {
		t.Errorf("deleted, and the file: %d", status)
	}
	if said := log.String(); said == "" || strings.Contains(said, one.ID) {
		t.Errorf("the log tells of the link: %s", said)
	}
	if status, page, _ := bob.get("/en/recording/" + one.ID); status != 404 || !strings.Contains(page, "does not exist any more") {
		t.Errorf("deleted, and the page: %d", status)
	}
}

// lockedLog is a log that is read while requests are logged: one whose answer is there may not be, yet.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (v *visitor) recordings() []record.Info {
	v.h.t.Helper()
	status, body, _ := v.get("/api/recordings/")
	var list struct{ Recordings []record.Info }
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != 200 {
		v.h.t.Fatalf("%d %s", status, body)
	}
	return list.Recordings
}

// TestChecksAreJudgedAgain: the same check at the same moment gives the same verdict, before and after it turned.
func TestChecksAreJudgedAgain(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	f := v.live()
	v.post("start", "{}")
	f.until("ready", func(f labs.Frame) bool { return ready(f) && f.Snapshot != nil })
	if status, body := v.post("record", "{}"); status != 204 {
		t.Fatal(body)
	}
	began := f.until("the sign", func(f labs.Frame) bool { return f.Session.Recording != 0 }).Session.Recording
	_, slip, _ := v.get("/api/l/" + lab33 + "/" + step1 + "/file/two-containers.yaml")
	v.apply(strings.ReplaceAll(slip, "shard-data", "shared-data"))
	var turned int64
	f.until("a check turned", func(f labs.Frame) bool {
		for _, c := range f.Session.Checks {
			if c.At > 0 && (turned == 0 || c.At < turned) {
				turned = c.At // one frame may tell of two
			}
		}
		return turned > 0
	})
	if status, body := v.post("record/stop", "{}"); status != 204 {
		t.Fatal(body)
	}
	_, data, _ := v.get("/api/recordings/" + v.recordings()[0].ID + "/file")
	passed := func(at int64) (n int) {
		status, body, _ := v.do("POST", "/api/recordings/check?at="+decimal(at), data)
		var out verdicts
		if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 || out.Step != step1 || len(out.Checks) == 0 {
			t.Fatalf("at %d: %d %s", at, status, body)
		}
		for _, c := range out.Checks {
			if c.State != c.Was {
				t.Errorf("at %d ms %s is %s, and was %s", at, c.ID, c.State, c.Was)
			}
			if c.State == labs.CheckPassed && !c.Given {
				n++
			}
		}
		return n
	}
	if n := passed(turned - began - 1); n != 0 {
		t.Errorf("%d passed before the first did", n)
	}
	if n := passed(turned - began); n == 0 {
		t.Error("none passed when the first did")
	}
}

func TestForeignRecordingsAreRefused(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	var foreign bytes.Buffer
	w, err := record.NewWriter(&foreign, record.Header{Lab: "9.9-nowhere", Step: "x", Started: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]struct {
		path, body string
		want       int
	}{
		"no file":        {"check?at=1", "", 400},
		"no recording":   {"check?at=1", strings.Repeat("x", 1000), 400},
		"no time":        {"check?at=-1", foreign.String(), 400},
		"unknown lab":    {"check?at=1", foreign.String(), 404},
		"too large":      {"check?at=1", strings.Repeat("x", record.MaxFile+1), 413},
		"no terminal":    {"cast", foreign.String(), 400},
		"no such number": {"cast?terminal=9", foreign.String(), 404},
	} {
		if status, body, _ := v.do("POST", "/api/recordings/"+at.path, at.body); status != at.want {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, _, _ := v.do("POST", "/api/recordings/check?at=1", "", "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("from another site: %d", status)
	}
}

// TestLabBringsAnExample: a recording in a lab's folder is offered in the step that it is named for, and nowhere else.
func TestLabBringsAnExample(t *testing.T) {
	var file bytes.Buffer
	w, err := record.NewWriter(&file, record.Header{Lab: lab33, Step: step1, Started: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	course := fstest.MapFS{"labs/" + lab33 + "/examples/" + step1 + ".podlab": {Data: file.Bytes()}}
	err = fs.WalkDir(content.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(content.FS, name)
		course[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h := openCourse(t, Limits{}, course)
	v := h.come()
	link := "/en/recording/example/" + lab33 + "/" + step1
	if _, page, _ := v.get("/en/l/" + lab33 + "/" + step1); !strings.Contains(page, `href="`+link+`"`) {
		t.Error("the step does not offer it")
	}
	if _, page, _ := v.get("/en/l/3.1-infra-container/walls"); strings.Contains(page, "recording/example") {
		t.Error("another step offers it")
	}
	status, page, _ := v.get(link)
	at := "/api/recordings/example/" + lab33 + "/" + step1
	if status != 200 || !strings.Contains(page, `data-file="`+at+`"`) {
		t.Errorf("its page: %d", status)
	}
	if status, data, header := v.get(at); status != 200 || data != file.String() || header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("its file: %d, %d bytes", status, len(data))
	}
	if status, _, _ := v.get("/api/recordings/example/3.1-infra-container/walls"); status != 404 {
		t.Errorf("one that is not there: %d", status)
	}
	course["labs/"+lab33+"/examples/nowhere.podlab"] = &fstest.MapFile{Data: file.Bytes()}
	if _, err := labs.Load(course); err == nil || !strings.Contains(err.Error(), "nowhere.podlab") {
		t.Errorf("one for a step that is not there: %v", err)
	}
}

// parts counts what is written to it, and how much at a time.
type parts struct {
	http.ResponseWriter
	all, largest int
}

func (p *parts) Write(b []byte) (int, error) {
	p.all += len(b)
	p.largest = max(p.largest, len(b))
	return len(b), nil
}

func (*parts) SetWriteDeadline(time.Time) error { return nil }

// TestLongCastIsNotInMemory: a file of 120 KB may hold a GiB of a terminal's output.
func TestLongCastIsNotInMemory(t *testing.T) {
	h := open(t, Limits{})
	var file bytes.Buffer
	w, err := record.NewWriter(&file, record.Header{Lab: lab33, Step: step1, Started: 1})
	if err != nil {
		t.Fatal(err)
	}
	number, err := w.Terminal(0, "node", sandbox.Size{})
	if err != nil {
		t.Fatal(err)
	}
	for range 256 {
		if err := w.Output(0, number, bytes.Repeat([]byte("x"), 64<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out := parts{ResponseWriter: httptest.NewRecorder()}
	if err := h.site.cast(&out, httptest.NewRequest("POST", "/?terminal=0", &file)); err != nil {
		t.Fatal(err)
	}
	if out.all < 16<<20 || out.largest > 1<<20 {
		t.Errorf("%d bytes, of which %d at a time", out.all, out.largest)
	}
}

// TestRefusedLinkIsNotLogged: a request that is refused before it is routed is logged like any other.
func TestRefusedLinkIsNotLogged(t *testing.T) {
	h := open(t, Limits{PerLearner: 2})
	v := h.come()
	var log bytes.Buffer
	h.site.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	const id = "abcdefghijklmnopqrstuvwxyz"
	for range 4 {
		v.get("/en/recording/" + id)
		v.get("/api/recordings/" + id + "/file")
		v.get("/en/recording//" + id)
	}
	if !strings.Contains(log.String(), "status=429") || strings.Contains(log.String(), id) {
		t.Error(log.String())
	}
}

// TestSlowSendersKeepNoPlace: whoever sends a recording slowly lets others have theirs judged meanwhile, and its memory comes back.
func TestSlowSendersKeepNoPlace(t *testing.T) {
	h := open(t, Limits{})
	var file bytes.Buffer
	w, err := record.NewWriter(&file, record.Header{Lab: lab33, Step: step1, Started: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ask := func(body io.Reader) error {
		return h.site.recheck(&parts{ResponseWriter: httptest.NewRecorder()}, httptest.NewRequest("POST", "/?at=1", body))
	}
	var slow sync.WaitGroup
	var ends []*io.PipeWriter
	for range 2 * maxJudging {
		in, out := io.Pipe()
		ends = append(ends, out)
		slow.Go(func() {
			if err := ask(in); err == nil {
				t.Error("a file that did not come is judged")
			}
		})
		if _, err := out.Write([]byte(record.Magic)); err != nil {
			t.Fatal(err)
		}
	}
	if err := ask(bytes.NewReader(file.Bytes())); err != nil {
		t.Error(err)
	}
	for _, out := range ends {
		out.CloseWithError(io.ErrUnexpectedEOF)
	}
	slow.Wait()
	if !h.site.sending.TryAcquire(maxSending) {
		t.Error("memory is not given back")
	}
	if err := ask(bytes.NewReader(file.Bytes())); err == nil || !strings.Contains(err.Error(), string(CodeTooMany)) {
		t.Errorf("without memory: %v", err)
	}
}

// TestShortFilesAreJudgedShortly: a file of 110 KB that holds a GiB of frames keeps a place, and a core, for as long as it may.
func TestShortFilesAreJudgedShortly(t *testing.T) {
	hour := int64(4_400_000)
	if judgeWithin(110_000) > 11*time.Second || judgeWithin(hour) < 4*7500*time.Millisecond || judgeWithin(record.MaxFile) != judgeMost {
		t.Error(judgeWithin(110_000), judgeWithin(hour), judgeWithin(record.MaxFile))
	}
}

// TestExamplesOfTheCourse: the recordings that labs bring are of their step, small, and end with every check reached; judged again, they are so still.
func TestExamplesOfTheCourse(t *testing.T) {
	course, err := labs.Load(content.FS)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, lab := range course.Labs() {
		for _, step := range lab.Steps {
			if len(step.Example) == 0 {
				continue
			}
			found++
			if len(step.Example) > 300<<10 {
				t.Errorf("%s %s: %d bytes", lab.ID, step.ID, len(step.Example))
			}
			file, err := record.Open(bytes.NewReader(step.Example), int64(len(step.Example)))
			if err != nil || file.Header.Lab != lab.ID || file.Header.Step != step.ID {
				t.Fatalf("%s %s: %+v, %v", lab.ID, step.ID, file, err)
			}
			now, err := rejudge(t.Context(), lab, file, file.Length())
			if err != nil || len(now.Checks) != len(step.Checks) {
				t.Fatalf("%s %s: %d checks, %v", lab.ID, step.ID, len(now.Checks), err)
			}
			for _, c := range now.Checks {
				if c.State != labs.CheckPassed || c.Was != labs.CheckPassed {
					t.Errorf("%s %s: check %s is %s, was %s", lab.ID, step.ID, c.ID, c.State, c.Was)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no lab has an example")
	}
}
