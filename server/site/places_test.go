package site

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneAddressLeavesAPlace: whoever asks with one cookie after another from one address does not keep others waiting.
func TestOneAddressLeavesAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2)
		enter := func(address string) (func(), error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return p.enter(ctx, address)
		}
		leave, err := enter("a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := enter("a"); !errors.Is(err, errTooMany) {
			t.Errorf("a second place for one address: %v", err)
		}
		other, err := enter("b")
		if err != nil {
			t.Fatal("none for another address:", err)
		}
		if _, err := enter("c"); !errors.Is(err, errTooMany) {
			t.Errorf("a third place of two: %v", err)
		}
		time.AfterFunc(time.Second/2, leave)
		again, err := enter("a") // waits until the first is given back
		if err != nil {
			t.Fatal(err)
		}
		other()
		again()
		if p.taken != 0 || len(p.each) != 0 {
			t.Errorf("%d places are taken, of %v", p.taken, p.each)
		}
	})
}
