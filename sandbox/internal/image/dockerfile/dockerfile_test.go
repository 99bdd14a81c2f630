package dockerfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	steps, err := Parse("# a comment\nfrom debian:latest\n\nENV A=b C=\"d e\" F='$x' G=h\\ i\nENV OLD some text\nWORKDIR /srv\r\nCOPY a b ./\nCOPY [\"x y\", \"z\"]\n" +
		"RUN echo one && \\\n  # between\n  echo two\nRUN [\"ls\",\"-l\"]\nCMD httpd -f\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		got = append(got, fmt.Sprintf("%d %s %q", s.Line, s.Name, s.Args))
	}
	want := `2 FROM ["debian:latest"]
4 ENV ["A=b" "C=d e" "F=$x" "G=h i"]
5 ENV ["OLD=some text"]
6 WORKDIR ["/srv"]
7 COPY ["a" "b" "./"]
8 COPY ["x y" "z"]
9 RUN ["/bin/sh" "-c" "echo one && echo two"]
12 RUN ["ls" "-l"]
13 CMD ["/bin/sh" "-c" "httpd -f"]`
	if strings.Join(got, "\n") != want {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "1 empty",
		"# only\n":                      "1 empty",
		"RUN x":                         "1 no_from",
		"FROM a\nFROM b":                "2 second_from",
		"FROM a b":                      "1 arguments",
		"FROM a\nADD x y":               "2 unknown",
		"FROM a\nEXPOSE 80":             "2 unknown",
		"FROM a\nCOPY --from=x y z":     "2 flag",
		"FROM --platform=x a":           "1 flag",
		"FROM a\nCOPY x":                "2 arguments",
		"FROM a\n\nRUN":                 "3 arguments",
		"FROM a\nCMD []":                "2 arguments",
		"FROM a\nENV":                   "2 form",
		"FROM a\nENV 1=2":               "2 form",
		"FROM a\nRUN a\x00b":            "2 form",
		strings.Repeat("#", maxBytes+1): "1 too_long",
		"FROM a" + strings.Repeat("\nRUN x", maxSteps): fmt.Sprintf("%d too_long", maxSteps+1),
	} {
		_, err := Parse(text)
		e, ok := errors.AsType[*Error](err)
		if !ok || fmt.Sprintf("%d %s", e.Line, e.Reason) != want {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("FROM a\nENV A=b \"C=d\" E='f\nRUN x \\\n y\nCMD [\"x\"]")
	f.Fuzz(func(t *testing.T, text string) {
		steps, err := Parse(text)
		if err != nil {
			return
		}
		for _, s := range steps {
			if len(s.Args) == 0 || s.Line < 1 {
				t.Fatalf("%+v", s)
			}
		}
	})
}
