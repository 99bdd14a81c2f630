package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"podlab/sandbox"
	"podlab/sandbox/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestScripts runs testdata/*.txt, each against a machine of its own with scripted nodes. Commands besides testscript's own:
//
//	podlab ARGS      runs it; "! podlab" wants any other exit code than 0
//	exit CODE        the last podlab's exit code
//	input FILE       what the next podlab reads from standard input
//	ends ID CODE     a container's first process ends
//	prints ID TEXT   a container logs a line
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Values["machine"] = &machineUnderTest{nodes: fake.New()}
			course, err := filepath.Abs("../../content/course.yaml")
			e.Setenv("COURSE", course)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"podlab": podlab, "exit": exit, "input": input, "ends": ends, "prints": prints,
		},
	})
}

type machineUnderTest struct {
	nodes *fake.Nodes
	input []byte
	code  int
}

func machineOf(ts *testscript.TestScript) *machineUnderTest {
	return ts.Value("machine").(*machineUnderTest)
}

func podlab(ts *testscript.TestScript, neg bool, args []string) {
	m := machineOf(ts)
	program := &Program{In: bytes.NewReader(m.input), Out: ts.Stdout(), Err: ts.Stderr(), Daemon: func(string) sandbox.Nodes { return m.nodes }}
	for i, arg := range args { // files are below the script's own directory
		if i > 0 && args[i-1] == "-f" && arg != "-" {
			args[i] = ts.MkAbs(arg)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	m.input, m.code = nil, program.Main(ctx, args)
	if neg == (m.code == 0) {
		ts.Fatalf("exit code %d", m.code)
	}
}

func exit(ts *testscript.TestScript, _ bool, args []string) {
	if got := strconv.Itoa(machineOf(ts).code); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func input(ts *testscript.TestScript, _ bool, args []string) {
	machineOf(ts).input = []byte(ts.ReadFile(args[0]))
}

func node(ts *testscript.TestScript) *fake.Agent {
	nodes, err := machineOf(ts).nodes.List(context.Background())
	ts.Check(err)
	return machineOf(ts).nodes.Node(nodes[0].Spec.ID)
}

func ends(ts *testscript.TestScript, _ bool, args []string) {
	code, err := strconv.Atoi(args[1])
	ts.Check(err)
	if !node(ts).Exit(args[0], sandbox.Exit{Code: code}) {
		ts.Fatalf("%s does not run", args[0])
	}
}

func prints(ts *testscript.TestScript, _ bool, args []string) {
	node(ts).Log(args[0], strings.Join(args[1:], " ")+"\n")
}

func TestCleanTakesOutWhatATerminalObeys(t *testing.T) {
	if got := clean("web\x1b[2J\r\n\u009b1m界"); got != "web?[2J???1m界" {
		t.Errorf("%q", got)
	}
}
