// Command build makes web/dist, the bundle that is committed and embedded: TypeScript, styles and fonts by esbuild, with names
// that carry a hash of the content. It needs node_modules (npm ci in web). With -check it writes nothing and fails when what is
// committed differs.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"podlab/web/keys"
)

func main() {
	check := flag.Bool("check", false, "fail when dist is not what the sources make")
	tests := flag.String("tests", "", "bundle the unit tests (src/**/*.test.ts) into this folder instead")
	flag.Parse()
	if _, err := os.Stat("web/package.json"); err == nil {
		must(os.Chdir("web"))
	}
	if *tests != "" {
		bundleTests(*tests)
		return
	}
	files, first := bundle()
	if *check {
		must(compare(files))
		return
	}
	must(write(files))
	report(files)
	fmt.Printf("first load of the lab page %.1f KiB of %d\n", first, FirstLoad)
	if first > FirstLoad {
		must(fmt.Errorf("the lab page loads too much at first"))
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// bundle returns the files of dist by name, the manifest among them, and the size of the lab page's first load.
func bundle() (map[string][]byte, float64) {
	dir, err := os.Getwd()
	must(err)
	result := api.Build(api.BuildOptions{
		AbsWorkingDir: dir,
		EntryPointsAdvanced: []api.EntryPoint{
			{InputPath: "src/lab.ts", OutputPath: "lab"},
			{InputPath: "src/home.ts", OutputPath: "home"},
			{InputPath: "src/plain.ts", OutputPath: "plain"},
			{InputPath: "words:en", OutputPath: "words-en"},
			{InputPath: "words:zh", OutputPath: "words-zh"},
			{InputPath: "css/app.css", OutputPath: "app"},
			{InputPath: "css/terminal.css", OutputPath: "terminal"},
			{InputPath: "css/favicon.svg", OutputPath: "favicon"},
			{InputPath: "node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2", OutputPath: "inter"},
			{InputPath: "node_modules/@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2", OutputPath: "mono"},
		},
		EntryNames: "[name]-[hash]", ChunkNames: "[name]-[hash]", AssetNames: "[name]-[hash]",
		Outdir: "dist", PublicPath: "/assets", Bundle: true, Splitting: true, Metafile: true,
		Format: api.FormatESModule, Target: api.ES2022, Charset: api.CharsetUTF8,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, LegalComments: api.LegalCommentsNone,
		JSX: api.JSXAutomatic, JSXImportSource: "preact",
		Engines: []api.Engine{{Name: api.EngineChrome, Version: "123"}, {Name: api.EngineFirefox, Version: "120"}, {Name: api.EngineSafari, Version: "17.5"}},
		Loader:  map[string]api.Loader{".woff2": api.LoaderFile, ".svg": api.LoaderFile},
		Plugins: []api.Plugin{wordsPlugin(), fzstdPlugin()}, LogLevel: api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		os.Exit(1) // esbuild has said why
	}
	files := map[string][]byte{}
	for _, f := range result.OutputFiles {
		files[filepath.Base(f.Path)] = f.Contents
	}
	files["manifest.json"] = manifest(result.Metafile, files)
	files["licenses.txt"] = licenses(result.Metafile)
	return files, firstLoad(result.Metafile, files)
}

// manifest maps plain names to hashed ones.
func manifest(metafile string, files map[string][]byte) []byte {
	var meta struct {
		Outputs map[string]struct {
			EntryPoint string
		}
	}
	must(json.Unmarshal([]byte(metafile), &meta))
	names := map[string]string{}
	for path, out := range meta.Outputs {
		base := filepath.Base(path)
		plain := base[:strings.LastIndex(base, "-")] + filepath.Ext(base)
		switch {
		case filepath.Ext(base) == ".woff2" || filepath.Ext(base) == ".svg":
			names[short(plain)] = base
		case out.EntryPoint != "" && plain != "favicon.js" && plain != "inter.js" && plain != "mono.js":
			names[plain] = base
		}
	}
	for _, stub := range []string{"favicon-", "inter-", "mono-"} { // esbuild wraps an asset entry in a script that nobody loads
		for name := range files {
			if strings.HasPrefix(name, stub) && strings.HasSuffix(name, ".js") {
				delete(files, name)
			}
		}
	}
	text, err := json.MarshalIndent(names, "", "  ")
	must(err)
	return append(text, '\n')
}

// short names the fonts as the pages do.
func short(plain string) string {
	switch {
	case strings.HasPrefix(plain, "inter-"):
		return "inter.woff2"
	case strings.HasPrefix(plain, "jetbrains-"):
		return "mono.woff2"
	}
	return plain
}

// later are parts whose words come with them, by how their keys begin, up to the first dot.
var later = map[string]string{
	"ask": "ask", "compare": "compare", "ipc": "ipc", "key": "key", "moment": "timeline", "net": "net", "reason": "timeline", "res": "res",
	"vol": "vol",
}

// wordsPlugin makes modules of a language's words, only of those that the scripts use: words:en of what a page has from the start,
// words:en/PART of a part that is loaded later.
func wordsPlugin() api.Plugin {
	return api.Plugin{Name: "words", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^words:`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: strings.NewReplacer(":", "-", "/", "-").Replace(a.Path), Namespace: "words"}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "words"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			use, err := keys.TypeScript("src")
			if err != nil {
				return api.OnLoadResult{}, err
			}
			lang, part, _ := strings.Cut(strings.TrimPrefix(a.Path, "words-"), "-") // the file's name
			raw, err := os.ReadFile("words/" + lang + ".json")
			if err != nil {
				return api.OnLoadResult{}, err
			}
			all := map[string]json.RawMessage{}
			if err := json.Unmarshal(raw, &all); err != nil {
				return api.OnLoadResult{}, err
			}
			for key := range all {
				if !use.Covers(key) || partOf(key) != part {
					delete(all, key)
				}
			}
			text, err := json.Marshal(all)
			if err != nil {
				return api.OnLoadResult{}, err
			}
			code := "globalThis.podlabWords=Object.assign(globalThis.podlabWords??{}," + string(text) + ")"
			return api.OnLoadResult{Contents: &code, Loader: api.LoaderJS}, nil
		})
	}}
}

// partOf is the part whose words a key is among, "" for what a page has from the start.
func partOf(key string) string {
	first, _, _ := strings.Cut(key, ".")
	return later[first]
}

// licenses gathers the licences of every package that the bundle holds.
func licenses(metafile string) []byte {
	var meta struct{ Inputs map[string]any }
	must(json.Unmarshal([]byte(metafile), &meta))
	packages := map[string]bool{}
	for path := range meta.Inputs {
		rest, ok := strings.CutPrefix(path, "node_modules/")
		if !ok {
			continue
		}
		parts := strings.SplitN(rest, "/", 3)
		name := parts[0]
		if strings.HasPrefix(name, "@") {
			name += "/" + parts[1]
		}
		packages[name] = true
	}
	names := make([]string, 0, len(packages))
	for name := range packages {
		names = append(names, name)
	}
	sort.Strings(names)
	var out bytes.Buffer
	for _, name := range names {
		found, err := filepath.Glob("node_modules/" + name + "/LICENSE*")
		must(err)
		if len(found) == 0 {
			must(fmt.Errorf("package %s brings no licence", name))
		}
		text, err := os.ReadFile(found[0])
		must(err)
		fmt.Fprintf(&out, "== %s ==\n\n%s\n\n", name, bytes.TrimSpace(text))
	}
	return out.Bytes()
}

func write(files map[string][]byte) error {
	old, err := os.ReadDir("dist")
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, f := range old {
		if _, keep := files[f.Name()]; !keep {
			if err := os.Remove(filepath.Join("dist", f.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.MkdirAll("dist", 0o755); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join("dist", name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func compare(files map[string][]byte) error {
	old, err := os.ReadDir("dist")
	if err != nil {
		return err
	}
	if len(old) != len(files) {
		return fmt.Errorf("dist holds %d files, the sources make %d: run go run ./web/build", len(old), len(files))
	}
	for name, want := range files {
		have, err := os.ReadFile(filepath.Join("dist", name))
		if err != nil || !bytes.Equal(have, want) {
			return fmt.Errorf("dist/%s is not what the sources make: run go run ./web/build", name)
		}
	}
	return nil
}
