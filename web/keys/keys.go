// Package keys finds which keys of web/words the sources use, so that the bundle carries those that its views need and a test can
// tell what is missing or left over.
package keys

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Use is what the sources say of keys: those that are asked for by name, beginnings that are completed while running ("error." +
// code), and every other string that looks like a key (chosen by a condition, handed on).
type Use struct {
	Exact    map[string]bool
	Prefixes map[string]bool
	Mentions map[string]bool
}

// Covers tells whether a key is used. A key that ends in ".do" is the next action of the error before it.
func (u Use) Covers(key string) bool {
	if u.Exact[key] || u.Mentions[key] {
		return true
	}
	for p := range u.Prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

var (
	tsExact   = regexp.MustCompile(`\b(?:t|has)\(\s*"([a-zA-Z0-9_]+\.[a-zA-Z0-9_.]+)"`)
	tsPrefix  = regexp.MustCompile("\\b(?:t|has)\\(\\s*`([a-zA-Z0-9_.]+)\\$\\{")
	goExact   = regexp.MustCompile(`\b(?:say\([a-zA-Z.]+|Say\(|Has\()(?:, )?"([a-zA-Z0-9_]+\.[a-zA-Z0-9_.]+)"[,)]`)
	goPrefix  = regexp.MustCompile(`\b(?:say\([a-zA-Z.]+|Say\(|Has\()(?:, )?"([a-zA-Z0-9_.]+)"\s?\+`)
	mention   = regexp.MustCompile(`"([a-z]+(?:\.[a-zA-Z0-9_]+)+)"`)
	generated = "_templ.go"
)

// TypeScript scans a folder's .ts and .tsx files for t("key") and t(`prefix.${…}`).
func TypeScript(dir string) (Use, error) { return scan(dir, tsExact, tsPrefix, ".ts", ".tsx") }

// Go scans a folder's .go and .templ files for say(lang, "key") and its like.
func Go(dir string) (Use, error) { return scan(dir, goExact, goPrefix, ".go", ".templ") }

func scan(dir string, exact, prefix *regexp.Regexp, exts ...string) (Use, error) {
	use := Use{Exact: map[string]bool{}, Prefixes: map[string]bool{}, Mentions: map[string]bool{}}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if !hasExt(path, exts) || strings.HasSuffix(path, generated) || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range exact.FindAllSubmatch(text, -1) {
			use.Exact[string(m[1])] = true
		}
		for _, m := range mention.FindAllSubmatch(text, -1) {
			use.Mentions[string(m[1])] = true
		}
		for _, m := range prefix.FindAllSubmatch(text, -1) {
			use.Prefixes[string(m[1])] = true
		}
		return nil
	})
	return use, err
}

func hasExt(path string, exts []string) bool {
	for _, e := range exts {
		if filepath.Ext(path) == e {
			return true
		}
	}
	return false
}
