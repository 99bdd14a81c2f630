package main

import (
	"html/template"
	"log"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"podlab/web"
	"podlab/web/golden"
)

// gallery is the page at /: every view of the chosen frames, in both languages and both themes, each a lab page of its own.
type gallery struct {
	Frames, At, Pace, View, Width string
	Names, Views                  []string
	Widths                        []int
	Rows                          []galleryRow
	Zoom                          float64
	Height                        int
}

type galleryRow struct {
	View  string
	Pages []galleryPage
}

type galleryPage struct{ Title, URL string }

const shownWidth = 640 // CSS px that a page takes in the gallery

func index(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	g := gallery{Frames: q.Get("frames"), At: q.Get("at"), Pace: q.Get("pace"), View: q.Get("view"), Width: q.Get("width"), Views: web.Views, Widths: []int{390, 1440, 1920}}
	g.Names = append(slices.Sorted(maps.Keys(golden.All())), "busy")
	if g.Frames == "" {
		g.Frames = "change"
	}
	width, err := strconv.Atoi(g.Width)
	if err != nil || width < 100 {
		width = 1440
	}
	g.Width, g.Zoom, g.Height = strconv.Itoa(width), min(1, shownWidth/float64(width)), 900
	for _, view := range web.Views {
		if g.View == "" || g.View == view {
			g.Rows = append(g.Rows, galleryRow{view, g.pages(view)})
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := galleryHTML.Execute(w, g); err != nil {
		log.Print(err)
	}
}

func (g gallery) pages(view string) []galleryPage {
	var out []galleryPage
	for _, lang := range web.Langs {
		for _, theme := range []string{"light", "dark"} {
			q := url.Values{"frames": {g.Frames}, "at": {g.At}, "pace": {g.Pace}, "view": {view}, "theme": {theme}, "framed": {""}}
			out = append(out, galleryPage{lang + ", " + theme, "/" + lang + "/l/sample/share?" + q.Encode()})
		}
	}
	return out
}

var galleryHTML = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Golden frames</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 24px; color-scheme: light dark; }
form { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin: 12px 0; }
section div { display: flex; flex-wrap: wrap; gap: 16px; }
figure { margin: 0; } figcaption { font-size: 13px; }
iframe { border: 1px solid #8888; width: {{.Width}}px; height: {{.Height}}px; zoom: {{.Zoom}}; }
input { width: 70px; }
</style>
<h1>Golden frames</h1>
<form>
<label>Frames <select name="frames">{{range .Names}}<option {{if eq . $.Frames}}selected{{end}}>{{.}}</option>{{end}}</select></label>
<label>up to <input name="at" value="{{.At}}" inputmode="numeric" placeholder="all"></label>
<label>every <input name="pace" value="{{.Pace}}" inputmode="numeric" placeholder="1200"> ms</label>
<label>View <select name="view"><option value="">all</option>{{range .Views}}<option {{if eq . $.View}}selected{{end}}>{{.}}</option>{{end}}</select></label>
<label>Width <select name="width">{{range .Widths}}<option {{if eq (print .) $.Width}}selected{{end}}>{{.}}</option>{{end}}</select></label>
<button>Show</button>
<a href="/en/">home</a> <a href="/zh/">home zh</a> <a href="/en/error/node_gone">error</a> <a href="/en/full">full</a>
</form>
{{range .Rows}}<section><h2>{{.View}}</h2><div>{{range .Pages}}
<figure><figcaption><a href="{{.URL}}">{{.Title}}</a></figcaption><iframe loading="lazy" src="{{.URL}}" title="{{.Title}}"></iframe></figure>{{end}}
</div></section>{{end}}
`))
