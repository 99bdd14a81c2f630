package web_test

import (
	"regexp"
	"slices"
	"testing"

	"podlab/sandbox"
	"podlab/sandbox/manifest"
	"podlab/web"
	"podlab/web/keys"
)

var param = regexp.MustCompile(`\{(\w+)\}`)

func params(text string) []string {
	var names []string
	for _, m := range param.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestLanguages: both have the same keys with the same parameters.
func TestLanguages(t *testing.T) {
	en, zh := web.WordsOf("en"), web.WordsOf("zh")
	for key, text := range en {
		other, ok := zh[key]
		if !ok {
			t.Errorf("zh has no %s", key)
			continue
		}
		if a, b := params(text.Other), params(other.Other); !slices.Equal(a, b) {
			t.Errorf("%s: parameters %v in en, %v in zh", key, a, b)
		}
		if text.Other == "" || other.Other == "" {
			t.Errorf("%s is empty", key)
		}
	}
	for key := range zh {
		if !en.Has(key) {
			t.Errorf("en has no %s", key)
		}
	}
}

// slips of Chinese typography: no space between Chinese and Latin, one between Chinese letters or beside full-width marks, half-width marks.
var slips = regexp.MustCompile(`\p{Han}[A-Za-z0-9]|[A-Za-z0-9]\p{Han}|\p{Han} +\p{Han}|\p{Han}[,.;:?!"']| [，。：；、？（）“”]|[，。：；、？（）“”] `)

func TestChineseTypography(t *testing.T) {
	for key, text := range web.WordsOf("zh") {
		if slip := slips.FindString(text.Other); slip != "" {
			t.Errorf("%s: %q in %q", key, slip, text.Other)
		}
	}
}

// TestUse: every key that the sources ask for is there, and every key is used.
func TestUse(t *testing.T) {
	ts, err := keys.TypeScript("src")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := keys.Go(".")
	if err != nil {
		t.Fatal(err)
	}
	en := web.WordsOf("en")
	for _, use := range []keys.Use{ts, pages} {
		for key := range use.Exact {
			if !en.Has(key) {
				t.Errorf("a source asks for %s, which is not in words", key)
			}
		}
	}
	for key := range en {
		if !ts.Covers(key) && !pages.Covers(key) {
			t.Errorf("nobody uses %s", key)
		}
	}
}

// TestErrors: every code of the contract has words.
func TestErrors(t *testing.T) {
	for _, code := range []sandbox.Code{
		sandbox.CodeBadManifest, sandbox.CodeUnknownField, sandbox.CodeUnsupportedField, sandbox.CodeBadValue, sandbox.CodeVolumeNotFound,
		sandbox.CodeUnknownImage, sandbox.CodeNameTaken, sandbox.CodeImmutable, sandbox.CodeOverCapacity, sandbox.CodeMachineFull,
		sandbox.CodeMissingFeature, sandbox.CodeNotFound, sandbox.CodeNotRunning, sandbox.CodeWaiting, sandbox.CodeCannotStart,
		sandbox.CodeNodeGone,
		sandbox.CodeBadRequest, sandbox.CodeDenied, sandbox.CodeTooLarge, sandbox.CodeUnavailable, sandbox.CodeInternal,
	} {
		for _, lang := range web.Langs {
			w := web.WordsOf(lang)
			if !w.Has("error."+string(code)) || !w.Has("error."+string(code)+".do") {
				t.Errorf("%s: no words for %s", lang, code)
			}
		}
	}
}

// TestUntold: whatever a tracer cannot tell of has words.
func TestUntold(t *testing.T) {
	for _, lang := range web.Langs {
		w := web.WordsOf(lang)
		for _, kind := range []string{
			sandbox.UntoldShort, sandbox.UntoldNamespaces, sandbox.UntoldMounts, sandbox.UntoldTCP, sandbox.UntoldSockets, sandbox.UntoldReparent, sandbox.UntoldOOM,
		} {
			if !w.Has("untold." + kind) {
				t.Errorf("%s: no words for %s", lang, kind)
			}
		}
	}
}

// TestWhyNodeIsGone: every reason of the contract has a sentence of its own.
func TestWhyNodeIsGone(t *testing.T) {
	for _, lang := range web.Langs {
		w := web.WordsOf(lang)
		plain, _ := w.SayError(string(sandbox.CodeNodeGone), nil)
		for _, reason := range []string{sandbox.GoneInitEnded, sandbox.GoneTooManyGroups, sandbox.GoneTooManyTerminals, sandbox.GoneDestroyed, sandbox.GoneMachineStopped} {
			if what, next := w.SayError(string(sandbox.CodeNodeGone), map[string]string{"reason": reason}); what == plain || next == "" {
				t.Errorf("%s: %s is said as %q %q", lang, reason, what, next)
			}
		}
	}
}

func TestSay(t *testing.T) {
	en := web.WordsOf("en")
	if got := en.Say("lab.minutes", "n", 6); got != "about 6 min" {
		t.Error(got)
	}
	if got := en.Say("home.steps", "n", 1); got != "1 step" {
		t.Error(got)
	}
	what, next := en.SayError("volume_not_found", map[string]string{"container": "nginx", "name": "{line}", "known": "shard-data", "line": "8"})
	if what != "Container nginx mounts a volume {line} that the pod does not have." || next == "" {
		t.Error(what, next)
	}
	if what, next = en.SayError("over_capacity", map[string]string{"resource": "disk", "detail": "full"}); params(what+next) != nil {
		t.Error(what, next)
	}
	if what, _ := en.SayError("no such code", nil); what != en.Say("error.internal") {
		t.Error(what)
	}
}

// TestRefusals: every reason for which a field is refused, and every value that was wanted, has words.
func TestRefusals(t *testing.T) {
	for detail, sentence := range manifest.Reasons {
		key := "error.unsupported_field." + detail
		for _, lang := range web.Langs {
			if detail != manifest.WhyYet && !web.WordsOf(lang).Has(key) {
				t.Errorf("%s: no words for %s", lang, key)
			}
		}
		if got := web.WordsOf("en").Say(key, "field", "f"); detail != manifest.WhyYet && got != "f: "+sentence {
			t.Errorf("%s says %q, docs/podspec.md %q", key, got, sentence)
		}
	}
}
