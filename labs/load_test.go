package labs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"
)

// demoFiles is the course of testdata, to be spoilt.
func demoFiles(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	disk := os.DirFS("testdata/course")
	err := fs.WalkDir(disk, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(disk, name)
		files[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestMistakes spoils one thing at a time. What is said must name the file, the line and the field or section.
func TestMistakes(t *testing.T) {
	const lab, en, zh = "labs/1.1-demo/lab.yaml", "labs/1.1-demo/en.md", "labs/1.1-demo/zh.md"
	for _, test := range []struct {
		file, old, new string
		want           string // how one of the problems begins
	}{
		{lab, "    terminals:", "    terminal:", lab + `:7: unknown field terminal`},
		{lab, "minutes: 10", "minutes: ten", lab + ":1: "},
		{lab, "minutes: 10", "minutes: 0", lab + ":1: minutes: must be 1 to 240"},
		{lab, "memory: 256Mi", "memory: lots", lab + ":2: node.memory: "},
		{lab, "open: [namespaces, processes]", "open: [namespaces, process]", lab + `:6: steps[0].views.open[1]: "process" is not one of`},
		{lab, "from: pods/demo.yaml", "from: pods/dem.yaml", lab + `:9: steps[0].manifests[0].from: "pods/dem.yaml" is not in the lab's folder`},
		{lab, "image: busybox", "imag: busybox", lab + ":12: steps[0].start[1].container: unknown_field"},
		{lab, `pod("demo").ip != kept.ip`, `pod("demo").ipp != kept.ip`, lab + ":23: steps[0].predictions[0].answers.changes: column 12: undefined field 'ipp'"},
		{lab, `pod("demo").ip != kept.ip`, `pod("demo").ip != kept.adress`, lab + ":23: steps[0].predictions[0].answers.changes: kept.adress is not in this step's keep"},
		{lab, `container("demo/web").restarts > 0` + "\n        answers", `container("demo/web").restarts` + "\n        answers", lab + ":20: steps[0].predictions[0].when: is int, must be bool"},
		{lab, "- id: served", "- id: restarted", lab + `:34: steps[0].checks[2].id: "restarted" is there twice`},
		{lab, "check: restarted", "check: restated", lab + `:44: steps[0].wrong[0].check: "restated" is not a check of this step`},
		{lab, "    solution:\n      - exec: {container: demo/web, argv: [die]}\n", "", lab + ":4: steps[0].solution: a step with checks has a solution"},
		{lab, "minutes: 10", "minutes: 10\nminutes: 11", lab + ":2: "},
		{en, "### hint 2\nTwo.\n", "", en + ":23: hint 2: is in lab.yaml and has no section in check restarted"},
		{en, "## reached again", "## reached agein", en + ":38: reached agein: is not a reached of this step"},
		{en, "## know\nThe", "## kno\nThe", en + `:7: kno: "kno" is no block`},
		{en, "## check served: The", "## check served： The", en + ":35: "},
		{en, "{before}", "{befor}", en + ":13: prediction ip-stays: {before} is in lab.yaml and is not used"},
		{en, "### option changes: Changes", "### option changed: Changes", en + ":13: option changes: is in lab.yaml"},
		{en, "holds `net`", "holds <b>net</b>", en + ":8: know: HTML is not allowed"},
		{en, "obj:container:demo/_infra", "obj:contaner:demo", en + `:8: know: obj:contaner:demo: "contaner" is no kind of object`},
		{en, "obj:container:demo/_infra", "http://x", en + `:8: know: link to "http://x"`},
		{en, "```run demo/web\ndie\n```\n## check", "```run Demo Web\ndie\n```\n## check", en + `:20: do: run "Demo Web"`},
		{en, "# step next: Next", "# step nexd: Next", en + ":46: step nexd: lab.yaml has step next here"},
		{en, "title: Demo", "titel: Demo", en + ":2: unknown field titel"},
		{zh, "持有 `net`。", "**持有（net）**的。", zh + ":8: know: ** is left as it is"},
		{zh, "## do: 结束它", "## observe: 看", zh + `:15: observe: en.md has "do" here (line 19)`},
		{"labs/1.1-demo/pods/demo.yaml", "containers:", "contaners:", lab + ":11: steps[0].start[0].apply: pods/demo.yaml: unknown_field"},
		{"course.yaml", "zh: 演示", "fr: Démo", "course.yaml:5: modules[0].labs[0].title.zh: is missing"},
	} {
		files := demoFiles(t)
		old := string(files[test.file].Data)
		spoilt := strings.Replace(old, test.old, test.new, 1)
		if spoilt == old {
			t.Errorf("%s does not hold %q", test.file, test.old)
			continue
		}
		files[test.file] = &fstest.MapFile{Data: []byte(spoilt)}
		_, err := Load(files)
		problems, ok := errors.AsType[Problems](err)
		if !ok {
			t.Errorf("%s with %q: no problem (%v)", test.file, test.new, err)
			continue
		}
		said := false
		for _, p := range problems {
			said = said || strings.HasPrefix(p.String(), test.want)
		}
		if !said {
			t.Errorf("%s with %q:\n%v\nwant %s", test.file, test.new, err, test.want)
		}
	}
}

func TestFilesThatDoNotBelong(t *testing.T) {
	for name, want := range map[string]string{
		"labs/1.1-demo/notes.txt":      "labs/1.1-demo/notes.txt: is not a file of a lab",
		"labs/1.1-demo/pods/more.yaml": "labs/1.1-demo/pods/more.yaml: nothing in lab.yaml refers to it",
		"labs/9.1-lost/lab.yaml":       "labs/9.1-lost",
		"labs/readme.md":               "labs/readme.md: is not a lab's folder",
	} {
		files := demoFiles(t)
		files[name] = &fstest.MapFile{Data: []byte("minutes: 1\n")}
		_, err := Load(files)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCourseMap(t *testing.T) {
	course, err := Load(demoFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range course.Modules[0].Labs {
		got = append(got, e.Number+" "+e.Title[English])
	}
	if strings.Join(got, ", ") != "1.1 Demo, 1.2 Other, 1.3 To come" {
		t.Fatal(got)
	}
}

// TestScaffold holds the lab that authors begin with against the loader.
func TestScaffold(t *testing.T) {
	files := demoFiles(t)
	written, err := Scaffold(files, "1.4-new")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range written {
		files[path.Join("labs/1.4-new", name)] = &fstest.MapFile{Data: data}
	}
	if _, err := Load(files); err != nil {
		t.Fatal(err)
	}
	if _, err := Scaffold(files, "../x"); err == nil {
		t.Fatal("an id that is none is taken")
	}
	if _, err := Scaffold(files, "9.1-new"); err == nil || !strings.Contains(err.Error(), "course.yaml has no module 9 (it has 1)") {
		t.Errorf("a module that is not in the course: %v", err)
	}
}
