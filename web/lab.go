package web

import (
	"strings"

	"github.com/a-h/templ"
)

// htmxConfig switches off what the policy of the pages forbids, and keeps history out of the browser's storage: going back asks
// the server for the step, so that only the lesson is swapped.
const htmxConfig = `{"includeIndicatorStyles":false,"allowEval":false,"historyCacheSize":0,"refreshOnHistoryMiss":false,` +
	`"attributesToSettle":["class","width","height"],"selfRequestsOnly":true,"scrollIntoViewOnBoost":false,"globalViewTransitions":false}`

// goTo are the attributes of a link to another step: the address, and the swap of the lesson alone.
func goTo(l Lesson, step string) templ.Attributes {
	url := l.url(step)
	return templ.Attributes{
		"href": url, "hx-get": url, "hx-target": "#lesson", "hx-swap": "outerHTML show:none", "hx-push-url": "true",
	}
}

func tabIndex(selected bool) string {
	if selected {
		return "0"
	}
	return "-1"
}

// list is what views show as a list of names.
func list(lang string, names []string) string {
	if lang == "zh" {
		return strings.Join(names, "、")
	}
	return strings.Join(names, ", ")
}

func join(list []string) string { return strings.Join(list, " ") }
