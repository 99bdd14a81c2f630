package terminal

import (
	"fmt"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/sandboxtest"
)

// TestOneAnswers: every screen answers what a program asks; the program reads the answer of one.
func TestOneAnswers(t *testing.T) {
	set := open(t, &shelf{keys: map[string][]int{}})
	defer set.Close()
	first := attach(t, set, "sh", "-c", "stty raw -echo; printf ready; exec cat")
	until(t, first, "ready")
	second := attach(t, set)
	watcher, err := set.Attach(t.Context(), sandbox.TerminalSpec{ID: "t", Target: "node", Watch: true})
	if err != nil {
		t.Fatal(err)
	}
	// ask lets all of them answer, and hold is what the program had read after that.
	ask := func(question, hold string, reader sandbox.Terminal) {
		t.Helper()
		for name, screen := range map[string]sandbox.Terminal{"first": first, "second": second, "watcher": watcher} {
			_ = screen.Answer([]byte(question + name + ".")) // who was closed may say so
		}
		fmt.Fprint(reader, ";")
		if got := until(t, reader, ";"); got != hold {
			t.Errorf("the program read %q, want %q", got, hold)
		}
	}
	ask("1", "1first.;", first) // nobody has typed
	until(t, second, ";")
	fmt.Fprint(second, "typed")
	until(t, first, "typed")
	until(t, second, "typed")
	ask("2", "2second.;", second)
	_ = second.Close()
	until(t, first, ";")
	_ = first.Answer([]byte("late.")) // to what the second answered, perhaps
	time.Sleep(handOver)
	ask("3", "3first.;", first)
	_ = first.Close()
	until(t, watcher, "3first.;")
	_ = watcher.Answer([]byte("4watcher."))
	if _, err := watcher.Write([]byte("typed")); sandbox.CodeOf(err) != sandbox.CodeDenied {
		t.Errorf("who only watches types: %v", err)
	}
	if err := watcher.Resize(sandbox.Size{Cols: 10, Rows: 10}); sandbox.CodeOf(err) != sandbox.CodeDenied {
		t.Errorf("who only watches resizes: %v", err)
	}
	last := attach(t, set)
	until(t, last, "3first.;")
	_ = last.Answer([]byte("5last."))
	fmt.Fprint(last, ";")
	if got := until(t, last, ";"); got != "5last.;" {
		t.Errorf("the program read %q", got)
	}
}

// TestUnreadAnswersDelayNobody: a program asks its terminal and does not read. What is typed waits for the program, and not for the answers.
func TestUnreadAnswersDelayNobody(t *testing.T) {
	set := open(t, &shelf{keys: map[string][]int{}})
	defer set.Close()
	screen := attach(t, set, "sh", "-c", "stty raw -echo; printf ready; sleep 1; exec cat")
	until(t, screen, "ready")
	began := time.Now()
	for i := range 1000 { // some hundred kilobytes: more than a pty holds
		if err := screen.Answer(make([]byte, 200)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > sandboxtest.Within(time.Second) {
			t.Fatalf("%d answers took %v", i+1, took)
		}
	}
	fmt.Fprint(screen, "typed")
	until(t, screen, "typed")
	if took := time.Since(began); took > sandboxtest.Within(typeFor) {
		t.Errorf("what was typed is there after %v; the program reads after a second", took)
	}
}
