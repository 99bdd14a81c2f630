package site

import (
	"errors"
	"testing"
)

// TestOneAddressLeavesSockets: whoever opens sockets with one cookie after another from one address leaves some to others.
func TestOneAddressLeavesSockets(t *testing.T) {
	s := newSockets(Limits{Sockets: 2, AllSockets: 4})
	var leave []func()
	enter := func(learner, address string) error {
		back, err := s.enter(learner, address)
		if err == nil {
			leave = append(leave, back)
		}
		return err
	}
	for _, learner := range []string{"1", "2", "3"} {
		if err := enter(learner, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := enter("4", "a"); !errors.Is(err, errTooMany) {
		t.Errorf("all four from one address: %v", err)
	}
	if err := enter("5", "b"); err != nil {
		t.Errorf("none for another address: %v", err)
	}
	if err := enter("6", "c"); !errors.Is(err, errTooMany) {
		t.Errorf("a fifth of four: %v", err)
	}
	for _, back := range leave {
		back()
	}
	if s.all != 0 || len(s.each) != 0 || len(s.near) != 0 {
		t.Errorf("%d are open, of %v at %v", s.all, s.each, s.near)
	}
}
