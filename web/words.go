package web

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"sync"
)

//go:embed words/en.json words/zh.json
var wordFiles embed.FS

// Langs are the languages of every page.
var Langs = []string{"en", "zh"}

// Text is one entry of a language's words: one form, or a form for one and one for all other counts (parameter "n").
type Text struct{ One, Other string }

// UnmarshalJSON reads a string or {"one":…,"other":…}.
func (t *Text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &t.Other)
	}
	var forms struct{ One, Other string }
	if err := json.Unmarshal(b, &forms); err != nil {
		return err
	}
	t.One, t.Other = forms.One, forms.Other
	return nil
}

// Words are the texts of one language by key.
type Words map[string]Text

var words = sync.OnceValue(func() map[string]Words {
	all := make(map[string]Words, len(Langs))
	for _, lang := range Langs {
		raw, err := wordFiles.ReadFile("words/" + lang + ".json")
		if err != nil {
			panic(err) // embedded: cannot be missing
		}
		w := Words{}
		if err := json.Unmarshal(raw, &w); err != nil {
			panic(fmt.Sprintf("words/%s.json: %v", lang, err))
		}
		all[lang] = w
	}
	return all
})

// WordsOf returns the words of a language; English for one that there is none of.
func WordsOf(lang string) Words {
	if w, ok := words()[lang]; ok {
		return w
	}
	return words()["en"]
}

// Has tells whether there is a text for a key.
func (w Words) Has(key string) bool {
	_, ok := w[key]
	return ok
}

// Say returns the text of a key with its {parameters} filled in, given as alternating names and values. A key without a text is
// returned itself: visible, and caught by a test.
func (w Words) Say(key string, kv ...any) string {
	text, ok := w[key]
	if !ok {
		return key
	}
	form := text.Other
	pairs := make([]string, 0, len(kv))
	for i := 0; i+1 < len(kv); i += 2 {
		value := fmt.Sprint(kv[i+1])
		if kv[i] == "n" && value == "1" && text.One != "" {
			form = text.One
		}
		pairs = append(pairs, "{"+fmt.Sprint(kv[i])+"}", value)
	}
	if len(pairs) == 0 {
		return form
	}
	return strings.NewReplacer(pairs...).Replace(form)
}

// SayError returns what an error code means and what to do next, in words.
func (w Words) SayError(code string, params map[string]string) (what, next string) {
	if !w.Has("error." + code) {
		code, params = "internal", nil
	}
	kv := make([]any, 0, 2*len(params))
	names := make([]string, 0, len(params))
	for name := range params {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		kv = append(kv, name, params[name])
	}
	key := "error." + code
	if more := cmp.Or(params["detail"], params["reason"], params["kind"]); more != "do" && w.Has(key+"."+more) {
		what = w.Say(key+"."+more, kv...)
		if w.Has(key + "." + more + ".do") {
			return what, w.Say(key+"."+more+".do", kv...)
		}
		return what, w.Say(key+".do", kv...)
	}
	return w.Say(key, kv...), w.Say(key+".do", kv...)
}

// say is for the templates.
func say(lang, key string, kv ...any) string { return WordsOf(lang).Say(key, kv...) }

// gap is what stands between two sentences, as in src/words.ts.
func gap(lang string) string {
	if lang == "zh" {
		return ""
	}
	return " "
}
