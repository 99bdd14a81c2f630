// Package expr compiles the expressions of a lab (CEL over what is observed on a node) and evaluates them. It has no state but the
// language itself, and no goroutine.
//
// Authors are trusted, what is on a node is not: an evaluation is bounded by maxSteps, a value by maxText, moments by maxMoments.
package expr

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// maxSteps bounds one evaluation: rounds of all(), exists() and their like, nested ones too. What a learner does makes snapshots
// large; it must not make their evaluation slow. (cel.CostLimit would count more finely, and takes eight times as
// long: BenchmarkBounds.)
const maxSteps = 50_000

// maxText bounds one value that is shown to a learner, in bytes.
const maxText = 200

// Condition is a compiled CEL expression of type bool.
type Condition struct {
	Source  string
	program cel.Program
}

// Value is a compiled CEL expression whose result is shown to the learner as text.
type Value struct {
	Source  string
	program cel.Program
}

// Pattern is a compiled regular expression (RE2).
type Pattern struct {
	Source string
	re     *regexp.Regexp
}

// errAbsent is the error of an expression that looks for something that is not there. It counts as not true.
var errAbsent = errors.New("not there")

// IsAbsent reports whether an evaluation failed because something is not there: an object, a key of a map, an element of a list.
// CEL has no types for the latter two.
func IsAbsent(err error) bool {
	text := err.Error()
	return errors.Is(err, errAbsent) || strings.Contains(text, "no such key") || strings.Contains(text, "index out of bounds")
}

// compile checks an expression against the vocabulary and makes a program of it.
func compile(source string, wanted ...*cel.Type) (cel.Program, error) {
	words := vocabulary()
	ast, issues := words.env.Compile(source)
	if issues.Err() != nil {
		return nil, celError(issues)
	}
	if !oneOf(ast.OutputType(), wanted) {
		return nil, fmt.Errorf("is %s, must be %s", ast.OutputType(), wanted[0])
	}
	return words.env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.InterruptCheckFrequency(1))
}

// celError is the first thing that the compiler says, with its column: authors mend one at a time.
func celError(issues *cel.Issues) error {
	for _, e := range issues.Errors() {
		return fmt.Errorf("column %d: %s", e.Location.Column()+1, e.Message)
	}
	return issues.Err()
}

func oneOf(t *cel.Type, wanted []*cel.Type) bool {
	for _, w := range wanted {
		if t.IsExactType(w) {
			return true
		}
	}
	return false
}

// NewCondition compiles a condition.
func NewCondition(source string) (*Condition, error) {
	program, err := compile(source, cel.BoolType)
	if err != nil {
		return nil, err
	}
	return &Condition{Source: source, program: program}, nil
}

// NewValue compiles an expression of type string, int, bool or double.
func NewValue(source string) (*Value, error) {
	program, err := compile(source, cel.StringType, cel.IntType, cel.BoolType, cel.DoubleType)
	if err != nil {
		return nil, err
	}
	return &Value{Source: source, program: program}, nil
}

// NewPattern compiles a regular expression.
func NewPattern(source string) (*Pattern, error) {
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, err
	}
	return &Pattern{Source: source, re: re}, nil
}

// Match reports whether the pattern is somewhere in data. No pattern matches everything.
func (p *Pattern) Match(data []byte) bool { return p == nil || p.re.Match(data) }

// Holds evaluates the condition. An error means that it is not true.
func (c *Condition) Holds(at *Scope) (bool, error) {
	out, err := at.eval(c.program)
	if err != nil {
		return false, err
	}
	return out == types.True, nil
}

// Text evaluates the value.
func (v *Value) Text(at *Scope) (string, error) {
	out, err := at.eval(v.program)
	if err != nil {
		return "", err
	}
	text := textOf(out)
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return text, nil
}

func textOf(v ref.Val) string {
	switch v := v.(type) {
	case types.String:
		return string(v)
	case types.Int:
		return strconv.FormatInt(int64(v), 10)
	case types.Bool:
		return strconv.FormatBool(bool(v))
	case types.Double:
		return strconv.FormatFloat(float64(v), 'g', 4, 64)
	}
	return ""
}

// Texts evaluates a set of values: all of them or none.
func Texts(values map[string]*Value, at *Scope) (map[string]string, error) {
	if len(values) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(values))
	for name, v := range values {
		text, err := v.Text(at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = text
	}
	return out, nil
}
