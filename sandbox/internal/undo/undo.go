// Package undo takes back, newest first, what a creation of many steps has made when one of its steps fails.
//
//	var made undo.Steps
//	defer made.Undo()
//	… made.Add(…) after each step …
//	made.Keep()
package undo

// Steps are the steps to take back. The zero value is ready; it is for one goroutine.
type Steps struct{ steps []func() }

// Add registers how to take back what was just made.
func (s *Steps) Add(step func()) { s.steps = append(s.steps, step) }

// Undo takes everything back, newest first, and forgets it.
func (s *Steps) Undo() {
	for len(s.steps) > 0 {
		last := len(s.steps) - 1
		step := s.steps[last]
		s.steps = s.steps[:last]
		step()
	}
}

// Keep forgets all steps: what was made stays.
func (s *Steps) Keep() { s.steps = nil }
