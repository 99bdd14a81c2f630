// Command dev serves every page and view over golden frames, with the policy of the real site and without a node: for looking at
// them, for view tests and for screenshots. http://127.0.0.1:8099/ lists what there is.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"
	"podlab/sandbox"
	"podlab/web"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8099", "address to listen on")
	flag.Parse()
	log.Printf("http://%s/", *addr)
	server := &http.Server{Addr: *addr, Handler: routes(), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(web.AssetPrefix, web.Assets())
	mux.HandleFunc("GET /{$}", index)
	for _, lang := range web.Langs {
		in := func(h http.HandlerFunc) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { r.SetPathValue("lang", lang); h(w, r) }
		}
		mux.HandleFunc("GET /"+lang+"/{$}", in(home))
		mux.HandleFunc("GET /"+lang+"/l/{lab}/{step}", in(lab))
		mux.HandleFunc("GET /"+lang+"/l/{lab}/{step}/hint/{check}/{tier}", in(hint))
		mux.HandleFunc("GET /"+lang+"/l/{lab}/{step}/solution", in(solution))
		mux.HandleFunc("GET /"+lang+"/error/{code}", in(failure))
		mux.HandleFunc("GET /"+lang+"/full", in(full))
		mux.HandleFunc("GET /"+lang+"/recording", in(replay))
		mux.HandleFunc("GET /"+lang+"/recording/lesson/{lab}/{step}", in(recordedLesson))
	}
	mux.HandleFunc("GET /api/l/{lab}/{step}/file/{name}", file)
	mux.HandleFunc("POST /api/l/{lab}/{step}/apply", apply)
	mux.HandleFunc("POST /api/l/{lab}/{step}/preview", preview)
	mux.HandleFunc("POST /api/l/{lab}/{step}/{verb}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /previewed", previewed)
	mux.HandleFunc("GET /api/recordings/", recordings)
	mux.HandleFunc("GET /api/recordings/{id}/file", recordingFile)
	mux.HandleFunc("POST /api/recordings/{id}/delete", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /ws/live", live)
	mux.HandleFunc("GET /ws/terminal", terminal)
	return mux
}

func page(r *http.Request, title string) web.Page {
	lang := r.PathValue("lang")
	return web.Page{Lang: lang, Path: strings.TrimPrefix(r.URL.Path, "/"+lang), Theme: themed(r), Nonce: web.Nonce(), Title: title, Origin: "http://" + r.Host}
}

func show(w http.ResponseWriter, r *http.Request, nonce string, c templ.Component) {
	w.Header().Set("Content-Security-Policy", policy(r, nonce))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := c.Render(r.Context(), w); err != nil {
		log.Print(err)
	}
}

// lab shows the sample lesson; ?frames=NAME chooses what the live socket will send, ?view=NAME what is in front.
func lab(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	lesson := sample(r.PathValue("lang"), r.PathValue("step"))
	lesson.Lab = sceneOf(q, r.PathValue("lab")).String()
	if view := q.Get("view"); view != "" {
		lesson.Views = []string{view}
		lesson.Lab += "." + view // a page remembers for its lab which view is in front
	}
	lesson.Absent = q["absent"]
	if r.Header.Get("HX-Request") == "true" {
		show(w, r, web.Nonce(), web.LessonPartial(lesson))
		return
	}
	p := page(r, lesson.Title)
	show(w, r, p.Nonce, web.LabPage(web.Lab{Page: p, Lesson: lesson, Preview: "http://" + r.Host}))
}

func hint(w http.ResponseWriter, r *http.Request) {
	tier := 1
	if r.PathValue("tier") == "2" {
		tier = 2
	}
	show(w, r, web.Nonce(), web.HintPartial(web.Hint{Lang: r.PathValue("lang"), Lab: r.PathValue("lab"), Step: r.PathValue("step"), Check: r.PathValue("check"), Tier: tier, Tiers: 2, Text: "<p>Look at the <code>uts</code> column.</p>"}))
}

func solution(w http.ResponseWriter, r *http.Request) {
	show(w, r, web.Nonce(), web.SolutionPartial(web.Solution{Lang: r.PathValue("lang"), HTML: `<div class="run" data-run="node"><pre><code>pod apply -f demo.yaml</code></pre></div>`}))
}

func failure(w http.ResponseWriter, r *http.Request) {
	p := page(r, "404")
	show(w, r, p.Nonce, web.FailurePage(web.Failure{Page: p, Status: 404, Code: r.PathValue("code"), Params: map[string]string{"kind": "lab", "name": "9.9"}}))
}

func full(w http.ResponseWriter, r *http.Request) {
	p := page(r, "503")
	show(w, r, p.Nonce, web.QueuePage(web.Queue{Page: p, Place: 3, Lab: "sample", Step: "share"}))
}

func home(w http.ResponseWriter, r *http.Request) {
	p := page(r, "Podlab")
	h := web.Home{Page: p, Modules: modules(p.Lang)}
	if r.URL.Query().Has("resume") {
		h.Resume = &web.Resume{Lab: "sample", Step: "share", Title: h.Modules[1].Labs[0].Title, StepTitle: sample(p.Lang, "share").Title, Live: true}
	}
	show(w, r, p.Nonce, web.HomePage(h))
}

func file(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, manifest)
}

func apply(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name, Text string }
	if json.NewDecoder(r.Body).Decode(&in) != nil || strings.Contains(in.Text, "shard-data") {
		line := strings.Count(in.Text[:max(0, strings.Index(in.Text, "name: shard-data"))], "\n") + 1
		e := sandbox.Errorf(sandbox.CodeVolumeNotFound, "line", fmt.Sprint(line), "name", "shared-data", "container", "nginx-container", "known", "shard-data")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": e})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"applied": []sandbox.Applied{{Ref: sandbox.Ref{Kind: "Pod", Name: "two-containers"}, Action: "created"}}})
}

func preview(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]string{"url": "http://" + r.Host + "/previewed"})
}

func previewed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!doctype html><html lang=en><title>t</title><p>hello from the debian container")
}
