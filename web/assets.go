package web

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed all:dist
var dist embed.FS

// AssetPrefix is where Assets must be mounted.
const AssetPrefix = "/assets/"

// manifest maps a name ("lab.js", "app.css") to the hashed file that holds it.
var manifest = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	raw, err := dist.ReadFile("dist/manifest.json")
	if err != nil {
		panic(err) // embedded
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		panic(err)
	}
	return m
})

// asset is the address of a file of the bundle by its plain name.
func asset(name string) string {
	hashed, ok := manifest()[name]
	if !ok {
		panic("web: the bundle has no " + name + ": run go run ./web/build")
	}
	return AssetPrefix + hashed
}

// Assets serves the bundle below AssetPrefix. Names carry a hash of the content, so browsers keep them for ever.
func Assets() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err)
	}
	return http.StripPrefix(AssetPrefix, &assets{files: files})
}

// assets compresses each file once, when it is first asked for.
type assets struct {
	files  fs.FS
	packed sync.Map // name → []byte
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Clean(strings.TrimPrefix(r.URL.Path, "/"))
	data, err := fs.ReadFile(a.files, name)
	if err != nil || name == "manifest.json" {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", typeOf(name))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	if compresses(name) {
		h.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			data = a.gzip(name, data)
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (a *assets) gzip(name string, data []byte) []byte {
	if packed, ok := a.packed.Load(name); ok {
		return packed.([]byte)
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a valid one
	_, _ = z.Write(data)                                  // a bytes.Buffer does not fail
	_ = z.Close()
	a.packed.Store(name, b.Bytes())
	return b.Bytes()
}

func compresses(name string) bool { return path.Ext(name) != ".woff2" }

func typeOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".woff2":
		return "font/woff2"
	}
	return mime.TypeByExtension(path.Ext(name))
}
