package cli

import (
	"fmt"
	"strings"
)

// phrase is a sentence that can be said in every language: its English format, with what goes in.
type phrase struct {
	format string
	args   []any
	same   bool // it is a command: the same in every language
}

func text(format string, args ...any) phrase { return phrase{format: format, args: args} }

func command(line string) phrase { return phrase{format: "%s", args: []any{line}, same: true} }

// in says it in a language, such as zh or zh_CN.UTF-8: English, where there are no other words for it.
func (p phrase) in(lang string) string {
	format := p.format
	if chinese, ok := doctorChinese[p.format]; ok && strings.HasPrefix(lang, "zh") {
		format = chinese
	}
	return fmt.Sprintf(format, p.args...)
}
