package walls

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const repository = "../../.."

var (
	source = regexp.MustCompile("`([a-z0-9/.]+)` ([^`]*)") // a package or a file, and the tests in it
	goTest = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	quoted = regexp.MustCompile(`"([^"]+)"`)
)

// TestEveryPromiseHasItsTests holds the table of SECURITY.md against the tests there are: each that it names is in the package it names, and
// each promise and wall names one.
func TestEveryPromiseHasItsTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| promise or wall | shown by |")
	table, _, _ = strings.Cut(table, "\n## ")
	rows, named := 0, 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 2 || strings.TrimSpace(cells[1]) == "" { // a heading
			continue
		}
		rows++
		here := 0
		for _, group := range source.FindAllStringSubmatch(cells[1], -1) {
			here += findAll(t, group[1], group[2])
		}
		if named += here; here == 0 {
			t.Errorf("no test shows %q", cells[0])
		}
	}
	for n := 1; n <= 6; n++ {
		if !regexp.MustCompile(`(?m)^\| ` + string(rune('0'+n)) + `\. `).MatchString(table) {
			t.Errorf("promise %d is not in the table", n)
		}
	}
	if rows < 30 || named < 60 {
		t.Errorf("%d rows name %d tests: is the table read?", rows, named)
	}
}

// findAll looks for the tests that are named of a package or file, and returns how many those are.
func findAll(t *testing.T, where, names string) (n int) {
	t.Helper()
	if strings.HasSuffix(where, ".mjs") || strings.HasSuffix(where, ".ts") {
		text, err := os.ReadFile(filepath.Join(repository, where))
		if err != nil {
			t.Error(err)
		}
		for _, name := range quoted.FindAllStringSubmatch(names, -1) {
			if n++; !strings.Contains(string(text), `test("`+name[1]+`"`) {
				t.Errorf("%s has no test %q", where, name[1])
			}
		}
		return n
	}
	all := testsOf(t, filepath.Join(repository, where))
	for _, name := range goTest.FindAllString(names, -1) {
		if n++; !all[name] {
			t.Errorf("%s has no %s", where, name)
		}
	}
	return n
}

// testsOf lists the test functions of a package.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				all[f.Name.Name] = true
			}
		}
	}
	return all
}
