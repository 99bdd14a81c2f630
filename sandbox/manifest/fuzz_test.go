package manifest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"podlab/sandbox"
)

// refusals are all that may be wrong with a manifest.
var refusals = []sandbox.Code{
	sandbox.CodeTooLarge, sandbox.CodeBadManifest, sandbox.CodeUnknownField, sandbox.CodeUnsupportedField, sandbox.CodeBadValue, sandbox.CodeVolumeNotFound,
}

// decodeTime is how long the largest manifest may take under a fuzzer's load.
const decodeTime = 5 * time.Second

// FuzzDecode reads any bytes as a manifest: an error says where, and what is taken means the same when it is written and read again.
func FuzzDecode(f *testing.F) {
	labs, _ := filepath.Glob("../../content/labs/*/pods/*.yaml")
	for _, name := range labs {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{
		twoContainers, "a: &a [*a]", "a: &a {<<: *a}", "- &x [1]\n- [*x,*x]", "---\n---\n", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: a, image: b}]}\n",
		"apiVersion: podlab/v1\nkind: Container\nmetadata: {name: x}\nspec: {image: a, join: {network: host}}\n", "%YAML 1.1\n---\n!!binary x", "{\"a\":\"\\ud800\"}",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n  - {name: a, image: b, resources: {limits: {memory: 1e99Ei, cpu: -1}}}\n", "\ufeffa: 1", "? [a]\n: b",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		began := time.Now()
		objects, err := Decode(data)
		if took := time.Since(began); took > decodeTime {
			t.Errorf("it took %v", took)
		}
		if err != nil {
			placed(t, err)
			return
		}
		for _, o := range objects {
			if again, err := Decode(o.JSON); err != nil || !bytes.Equal(again[0].JSON, o.JSON) {
				t.Errorf("%s is not read again as it was: %v", o.JSON, err)
			}
			var into any = o.Pod
			if o.Kind != sandbox.ManifestPod {
				into = o.Container
			}
			text, err := YAML(into)
			if err != nil {
				t.Fatalf("%s: %v", o.JSON, err)
			}
			again, err := Decode(text)
			if err != nil || len(again) != 1 || !bytes.Equal(again[0].JSON, o.JSON) {
				t.Errorf("%s\nbecame\n%s\nand that is refused or another: %v %v", o.JSON, text, err, again)
			}
			if !json.Valid(o.JSON) || o.Name == "" {
				t.Errorf("%q: %s", o.Name, o.JSON)
			}
		}
	})
}

// placed wants an error that a page has words for, at a line.
func placed(t *testing.T, err error) {
	t.Helper()
	public := sandbox.Public(err)
	if !slices.Contains(refusals, public.Code) {
		t.Errorf("refused with %v", err)
	}
	if public.Code == sandbox.CodeTooLarge {
		return
	}
	for _, key := range []string{"line", "column"} {
		if n, err := strconv.Atoi(public.Params[key]); err != nil || n < 1 {
			t.Errorf("%s %q of %v", key, public.Params[key], public)
		}
	}
}
