package main

import (
	"iter"
	"strings"

	"podlab/sandbox/manifest"
)

// usageError is a command line that cannot be understood: a key of words and its parameters.
type usageError struct {
	key    string
	params []string
}

func (e *usageError) Error() string { return e.key + " " + strings.Join(e.params, " ") }

func wrongUsage(key string, params ...string) error { return &usageError{key: key, params: params} }

// flags is what a command understands. Names with one letter are short.
type flags struct {
	bools  map[string]*bool
	values map[string]*[]string
	// strict ends flags at the first word that is none, as docker run does: what follows belongs to the container.
	strict bool
}

// parse returns the words that are no flags, and what stands behind "--"; behind is nil without one.
func (f flags) parse(args []string) (words, behind []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return words, append([]string{}, args...), nil
		case len(arg) < 2 || arg[0] != '-':
			words = append(words, arg)
			if f.strict {
				return append(words, args...), nil, nil
			}
		case strings.HasPrefix(arg, "--"):
			args, err = f.long(arg[2:], args)
		default:
			args, err = f.short(arg[1:], args)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return words, nil, nil
}

func (f flags) long(name string, args []string) ([]string, error) {
	name, value, given := strings.Cut(name, "=")
	if b, ok := f.bools[name]; ok {
		*b = !given || value != "false"
		return args, nil
	}
	v, ok := f.values[name]
	if !ok || len(name) == 1 {
		return nil, f.unknown("--" + name)
	}
	if !given {
		if len(args) == 0 {
			return nil, wrongUsage("flag_value", "flag", "--"+name)
		}
		value, args = args[0], args[1:]
	}
	*v = append(*v, value)
	return args, nil
}

// short reads letters that may stand together: -it, -oyaml, -o=yaml.
func (f flags) short(letters string, args []string) ([]string, error) {
	for i := range len(letters) {
		name := letters[i : i+1]
		if b, ok := f.bools[name]; ok {
			*b = true
			continue
		}
		v, ok := f.values[name]
		if !ok {
			return nil, f.unknown("-" + name)
		}
		value := strings.TrimPrefix(letters[i+1:], "=")
		if i+1 == len(letters) {
			if len(args) == 0 {
				return nil, wrongUsage("flag_value", "flag", "-"+name)
			}
			value, args = args[0], args[1:]
		}
		*v = append(*v, value)
		return args, nil
	}
	return args, nil
}

// unknown says what was probably meant.
func (f flags) unknown(flag string) error {
	if name := strings.TrimLeft(flag, "-"); len(name) > 1 {
		long := func(yield func(string) bool) {
			if !yield("help") {
				return
			}
			for known := range f.names() {
				if len(known) > 1 && !yield(known) {
					return
				}
			}
		}
		if near := manifest.Nearest(name, long); near != "" {
			return wrongUsage("unknown_flag_near", "flag", flag, "near", "--"+near)
		}
	}
	return wrongUsage("unknown_flag", "flag", flag)
}

func (f flags) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range f.bools {
			if !yield(name) {
				return
			}
		}
		for name := range f.values {
			if !yield(name) {
				return
			}
		}
	}
}

// last is the last value given, or otherwise.
func last(values []string, otherwise string) string {
	if len(values) == 0 {
		return otherwise
	}
	return values[len(values)-1]
}
