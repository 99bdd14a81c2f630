package site

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestWaitingRequestsAreCounted: whose node never answers waits with a few requests only, and nobody else waits.
func TestWaitingRequestsAreCounted(t *testing.T) {
	h := open(t, Limits{})
	ann, bob := h.come(), h.come()
	body, more := io.Pipe() // a body that does not come
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer more.Close()
	for range maxAtOnce {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.server.URL+"/api/l/"+lab33+"/"+step1+"/apply", io.NopCloser(body))
		if err != nil {
			t.Fatal(err)
		}
		waiting.Go(func() {
			if answer, err := ann.client.Do(r); err == nil {
				answer.Body.Close()
			}
		})
	}
	apply := func(v *visitor) int {
		status, _ := v.post("apply", `{`)
		return status
	}
	for deadline := time.Now().Add(5 * time.Second); apply(ann) != http.StatusTooManyRequests; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("one more was let in")
		}
	}
	if status := apply(bob); status != http.StatusBadRequest {
		t.Errorf("the neighbour's: %d", status)
	}
	if status, _ := ann.post("reset", `{}`); status != http.StatusNoContent {
		t.Errorf("ann's way out: %d", status)
	}
}
