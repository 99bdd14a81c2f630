// Package flow has no code of its own: its test walks the whole path, from the supervisor to a learner's browser, on real nodes.
package flow
