package wire

import "fmt"

// Limits of one message, whoever sends it.
const (
	MaxElements = 64 << 10 // of all lists: "{}," is three bytes on the way and hundreds as a struct
	MaxDepth    = 24       // of lists and objects in each other
)

// Weigh counts the elements of all lists of a JSON text, whatever else is wrong with it. Errors: too deep, too many.
func Weigh(data []byte) (elements int, err error) {
	var lists uint32 // bit n: what is open at depth n is a list
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > MaxDepth {
				return elements, fmt.Errorf("message of more than %d levels", MaxDepth)
			}
			lists &^= 1 << depth
			if c == '[' {
				lists |= 1 << depth
				elements++
			}
		case c == ']' || c == '}':
			depth = max(0, depth-1)
		case c == ',' && lists&(1<<depth) != 0:
			elements++
		}
		if elements > MaxElements {
			return elements, fmt.Errorf("message of more than %d elements", MaxElements)
		}
	}
	return elements, nil
}
