package main

import (
	"bytes"
	"net/http"
	"sync"
	"time"

	"podlab/labs"
	"podlab/labs/record"
	"podlab/sandbox"
	"podlab/web"
	"podlab/web/golden"
)

// replay is the page of a recording: of the golden frames, or none.
func replay(w http.ResponseWriter, r *http.Request) {
	p := page(r, "Recording")
	show(w, r, p.Nonce, web.ReplayPage(web.Replay{Page: p, File: r.URL.Query().Get("file")}))
}

func recordedLesson(w http.ResponseWriter, r *http.Request) {
	lesson := sample(r.PathValue("lang"), r.PathValue("step"))
	lesson.Recorded = true
	show(w, r, web.Nonce(), web.LessonPartial(lesson))
}

func recordings(w http.ResponseWriter, r *http.Request) {
	title := "The infra container"
	if r.URL.Query().Get("lang") == "zh" {
		title = "Infra 容器"
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"recordings":[{"id":"golden","lab":"3.1-infra-container","title":"` + title + `","step":"share","started":1764000000000,"length":125000,"bytes":81000,"expires":1764600000000}]}`))
}

func recordingFile(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") == "long" {
		_, _ = w.Write(long())
		return
	}
	if make, ok := hostile[r.PathValue("id")]; ok {
		_, _ = w.Write(make())
		return
	}
	_, _ = w.Write(recorded())
}

// recorded is the file of a recording: the frames of a pod that changes, a second and a bit from one to the next, and two terminals.
var recorded = sync.OnceValue(func() []byte {
	frames := golden.All()["change"]
	var file bytes.Buffer
	out, err := record.NewWriter(&file, record.Header{Lab: "sample", Step: "share", Started: frames[0].Now})
	check(err)
	node, err := out.Terminal(0, "node", sandbox.Size{Cols: 80, Rows: 12})
	check(err)
	check(out.Output(0, node, []byte("root@node:~# ")))
	for i, f := range frames {
		at := time.Duration(i) * usual
		f.Now = frames[0].Now + at.Milliseconds()
		f.Session.Lab, f.Session.Step = "sample", "share"
		check(out.Take(at, labs.Taken{Frame: f, Judged: true}))
		check(out.Output(at, node, []byte("echo frame "+time.Duration(i).String()+"\r\nframe \x1b[32m"+time.Duration(i).String()+"\x1b[0m\r\nroot@node:~# ")))
	}
	check(out.Close())
	return file.Bytes()
})

func check(err error) {
	if err != nil {
		panic(err) // a buffer takes everything
	}
}
