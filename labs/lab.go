package labs

import (
	"time"

	"podlab/labs/expr"
)

// Lab is one folder of content/labs, read and compiled. It never changes after Load.
type Lab struct {
	ID      string // the folder's name: "3.1-infra-container"
	Number  string // "3.1"
	Minutes int
	Node    NodeSize
	Images  []string // that it uses, by name
	Ahead   bool     // the first step may be set up on a node before somebody comes: nothing in it is a matter of time
	Steps   []*Step
	Files   map[string][]byte // pods/*.yaml by their path in the folder

	texts map[Lang]*LabText
}

// NodeSize is what the lab's node is made with; zero fields mean the daemon's defaults.
type NodeSize struct {
	Memory int64 // bytes
	CPU    int64 // thousandths of a core
	PIDs   int64
	Disk   int64 // bytes
}

// Step is one step of a lab: what it starts with, what is asked, what is checked. Its words are in StepText.
type Step struct {
	ID          string
	Minutes     int
	Example     []byte // a recording of somebody who does it (labs/record); empty: none
	Continue    bool   // coming from the step before keeps the node as it is; any other way in makes a fresh one
	Views       Views
	Terminals   []string // open at first: "node" or a Container.ID
	Start       []Action
	Manifests   []Manifest
	Keep        []*Keep
	Predictions []*Prediction
	Checks      []*Check
	Reached     []*Reached
	Solution    []Action
	Wrong       []*Wrong

	texts map[Lang]*StepText
}

// Names of the views.
const (
	ViewNamespaces = "namespaces"
	ViewProcesses  = "processes"
	ViewNetwork    = "network"
	ViewVolumes    = "volumes"
	ViewResources  = "resources"
	ViewTimeline   = "timeline"
	ViewCompare    = "compare"
)

// ViewNames are all views, in the order of their tabs.
var ViewNames = []string{ViewNamespaces, ViewProcesses, ViewNetwork, ViewVolumes, ViewResources, ViewTimeline, ViewCompare}

// Views says which views a step shows, the first one opened, and what is set side by side in them.
type Views struct {
	Open    []string
	Compare Compare
}

// Compare names what stands on the left card (containers) and on the right one (a pod). Both empty: one card with everything.
type Compare struct {
	Left  []string // Container.IDs
	Right string   // pod name
}

// Manifest is a file below /root that the learner edits in the page or with vi.
type Manifest struct {
	File string // in /root
	From string // in the lab's folder: what it holds at first
}

// Action is one thing done to a node: exactly one field is set.
type Action struct {
	Apply     string          // a manifest in the lab's folder
	Container []byte          // a plain container, JSON of sandbox.PlainContainer
	Delete    string          // pod/NAME or container/NAME
	Run       string          // a shell command in the node
	Exec      *Exec           // a command in a container
	Write     *Write          // a file in /root
	Wait      *expr.Condition // until it is true, at most WaitLimit

	line int
}

// WaitLimit bounds one wait action.
const WaitLimit = 30 * time.Second

// Exec runs a command in a container.
type Exec struct {
	Container string // Container.ID
	Argv      []string
}

// Write puts a file into the node's /root.
type Write struct {
	File string
	Data []byte
}

// Keep remembers a value the first time its condition is true in this step: kept.ID in the step's expressions.
type Keep struct {
	ID    string
	When  *expr.Condition
	Value *expr.Value
}

// Prediction is a question whose answer the kernel gives.
type Prediction struct {
	ID      string
	Options []string
	When    *expr.Condition            // the thing asked about has happened
	Answers map[string]*expr.Condition // option → it is what happened; the first true one in Options' order is the outcome
	Seen    map[string]*expr.Value     // values for the words of "why"
}

// Check is one thing to reach.
type Check struct {
	ID    string
	When  *expr.Condition // the whole check, or the guard of Exec or HTTP
	Exec  *ExecProbe
	HTTP  *HTTPProbe
	Hold  bool                   // must go on being true: it can be lost again
	Found map[string]*expr.Value // what is there instead, for the words of "found"
	Hints int
}

// ExecProbe runs a command, hidden from views, and looks at how it ended.
type ExecProbe struct {
	Container string
	Argv      []string
	Exit      int
	Expect    *expr.Pattern // of what it printed; nil: anything
}

// HTTPProbe asks a pod for a page from inside the node.
type HTTPProbe struct {
	Pod    string
	Port   int
	Path   string
	Status int           // 200 when not given
	Expect *expr.Pattern // of the first 64 KiB of the body; nil: anything
}

// Reached is text that shows itself when its state is reached for the first time in the step.
type Reached struct {
	ID   string
	When *expr.Condition
}

// Wrong is a known wrong solution of a check: recognised, named, and answered with its own hint.
type Wrong struct {
	ID    string
	Check string
	When  *expr.Condition
	Do    []Action // how a learner gets there; used by the proof
}

// Step returns a step by its id, and the one before it (nil for the first).
func (l *Lab) Step(id string) (step, before *Step, ok bool) {
	for i, s := range l.Steps {
		if s.ID == id {
			if i > 0 {
				before = l.Steps[i-1]
			}
			return s, before, true
		}
	}
	return nil, nil, false
}

// Check returns a check of the step by its id.
func (s *Step) Check(id string) (*Check, bool) {
	for _, c := range s.Checks {
		if c.ID == id {
			return c, true
		}
	}
	return nil, false
}

// Prediction returns a prediction of the step by its id.
func (s *Step) Prediction(id string) (*Prediction, bool) {
	for _, p := range s.Predictions {
		if p.ID == id {
			return p, true
		}
	}
	return nil, false
}
