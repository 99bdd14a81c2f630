package walls

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"podlab/sandbox/internal/sandboxtest"
)

// TestKernelInterfaces asks the kernel, from each place, for every system call and for every door that is opened in part, and holds what it
// does not refuse against testdata/calls and testdata/doors: lists of what a learner may reach, which are read before they are changed.
func TestKernelInterfaces(t *testing.T) {
	patience := sandboxtest.Within(5 * time.Second).String()
	agent := occupied(t, sandboxtest.Start(t))
	for _, what := range []string{"calls", "doors"} {
		allowed := golden(t, what)
		for _, place := range places {
			t.Run(what+"/"+place.name, func(t *testing.T) {
				reached := map[string]bool{}
				for line := range strings.Lines(run(t, agent, place.container, attacker, what, patience)) {
					name, how, _ := strings.Cut(strings.TrimSpace(line), ": ")
					reached[name] = true
					if !slices.Contains(allowed[name], place.name) {
						t.Errorf("%s is reached (%s)", name, how)
					}
				}
				for name, from := range allowed { // what kernels of any configuration have
					if always := usual[name]; always && slices.Contains(from, place.name) && !reached[name] {
						t.Errorf("%s is refused: does the attacker work?", name)
					}
				}
				t.Logf("%d reached", len(reached))
			})
		}
	}
}

// usual are calls and doors without which nothing would be shown by the others' refusal.
var usual = map[string]bool{
	"0": true, "1": true, "9": true, "59": true, "165": true, "257": true, "308": true, "socket family 1": true, "socket family 2": true,
	"netlink protocol 0": true, "unshare net": true, "mount tmpfs": true,
}

// golden reads a list: a number or name, a colon, and the places from which it may be reached. What follows a # is for people.
func golden(t *testing.T, name string) map[string][]string {
	t.Helper()
	file, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	allowed := map[string][]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if key, from, ok := strings.Cut(line, ":"); ok {
			allowed[strings.TrimSpace(key)] = strings.Fields(from)
		}
	}
	if len(allowed) == 0 {
		t.Fatal(fmt.Sprint("nothing in ", file.Name()))
	}
	return allowed
}
