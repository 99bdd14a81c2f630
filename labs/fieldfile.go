package labs

import (
	"regexp"

	"podlab/labs/expr"
	"podlab/sandbox"
)

var (
	idForm    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	paramForm = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)
	fileForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

func (r *labReader) minutes(p fieldPath, minutes int) {
	if minutes < 1 || minutes > 240 {
		r.at(p, "must be 1 to 240")
	}
}

func (r *labReader) nodeSize(p fieldPath, raw nodeYAML) NodeSize {
	size := NodeSize{PIDs: raw.PIDs}
	for _, q := range []struct {
		name, text string
		to         *int64
		read       func(sandbox.Quantity) int64
	}{
		{"memory", raw.Memory, &size.Memory, sandbox.Quantity.Value},
		{"cpu", raw.CPU, &size.CPU, sandbox.Quantity.MilliValue},
		{"disk", raw.Disk, &size.Disk, sandbox.Quantity.Value},
	} {
		if q.text == "" {
			continue
		}
		amount, err := sandbox.ParseQuantity(q.text)
		if err != nil {
			r.at(p.to(q.name), "%v", err)
			continue
		}
		*q.to = q.read(amount)
	}
	return size
}

func (r *labReader) condition(p fieldPath, source string) *expr.Condition {
	c, err := expr.NewCondition(source)
	if err != nil {
		r.expressionError(p, source, err)
	}
	return c
}

func (r *labReader) value(p fieldPath, source string) *expr.Value {
	v, err := expr.NewValue(source)
	if err != nil {
		r.expressionError(p, source, err)
	}
	return v
}

func (r *labReader) expressionError(p fieldPath, source string, err error) {
	if source == "" {
		r.at(p, "is missing")
		return
	}
	r.at(p, "%v in %s", err, source)
}

func (r *labReader) values(p fieldPath, sources map[string]string) map[string]*expr.Value {
	all := map[string]*expr.Value{}
	for name, source := range sources {
		r.param(p.to(name), name)
		all[name] = r.value(p.to(name), source)
	}
	return all
}

func (r *labReader) pattern(p fieldPath, source string) *expr.Pattern {
	if source == "" {
		return nil
	}
	pattern, err := expr.NewPattern(source)
	if err != nil {
		r.at(p, "%v", err)
	}
	return pattern
}

func (r *labReader) param(p fieldPath, name string) {
	if !paramForm.MatchString(name) {
		r.at(p, "%q is no name: a small letter, then letters and digits", name)
	}
}

// distinct returns a function that takes ids and says which is malformed or there twice.
func (r *labReader) distinct() func(fieldPath, string) {
	seen := map[string]bool{}
	return func(p fieldPath, id string) {
		switch {
		case !idForm.MatchString(id):
			r.at(p, "%q is no id: words of small letters and digits with hyphens between", id)
		case seen[id]:
			r.at(p, "%q is there twice", id)
		}
		seen[id] = true
	}
}
