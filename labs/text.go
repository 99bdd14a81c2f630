package labs

import "html/template"

// Lang is a language of the course.
type Lang string

// The languages. Every text exists in each.
const (
	English Lang = "en"
	Chinese Lang = "zh"
)

// Langs are all languages, the one that others are held against first.
var Langs = []Lang{English, Chinese}

// Words is a short plain text in every language.
type Words map[Lang]string

// LabText is what a lab says of itself.
type LabText struct {
	Title   string
	Summary string
	Goals   []template.HTML // inline HTML, no paragraph around it
}

// StepText is all prose of one step in one language. HTML comes from Markdown without raw HTML: safe to write as it is.
// Classes and data attributes in it are listed in content/README.md.
type StepText struct {
	Title    string
	Blocks   []Block // the page, from top to bottom
	Solution template.HTML
}

// Kinds of Block.
const (
	BlockKnow       = "know"       // what to know before
	BlockDo         = "do"         // what to run
	BlockObserve    = "observe"    // where to look
	BlockNote       = "note"       // an aside
	BlockWhy        = "why"        // shown after: ID names the check or prediction it waits for, empty means all of the step's
	BlockReached    = "reached"    // shown when Reached ID is in the frame
	BlockPrediction = "prediction" // ID and Prediction are set
	BlockCheck      = "check"      // ID and Check are set
)

// Block is one part of the page. Title is inline HTML and may be empty but for predictions (the question) and checks (the task).
type Block struct {
	Kind       string
	ID         string
	Title      template.HTML
	HTML       template.HTML
	Prediction *PredictionText
	Check      *CheckText
}

// PredictionText holds the words of one prediction.
type PredictionText struct {
	Options []OptionText  // in lab.yaml's order
	Why     template.HTML // shown when it was judged; <output data-param=NAME> takes PredictionState.Seen[NAME]
}

// OptionText is one answer.
type OptionText struct {
	ID    string
	Label template.HTML // inline
	HTML  template.HTML // shown, if not empty, when this option was the outcome; may hold params like Why
}

// CheckText holds the words of one check.
type CheckText struct {
	Found template.HTML            // what is there instead; <output data-param=NAME> takes CheckState.Found[NAME]; may be empty
	Hints []template.HTML          // tiers, mildest first
	Wrong map[string]template.HTML // by CheckState.Wrong
}

// Text returns the lab's words.
func (l *Lab) Text(lang Lang) *LabText { return l.texts[lang] }

// Text returns the step's words.
func (s *Step) Text(lang Lang) *StepText { return s.texts[lang] }

// Check returns the words of a check by its id, nil when there is none.
func (t *StepText) Check(id string) *CheckText {
	for _, b := range t.Blocks {
		if b.Kind == BlockCheck && b.ID == id {
			return b.Check
		}
	}
	return nil
}
