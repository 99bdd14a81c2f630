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
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.server.URL+"/api/l/"+lab33+"/"+step1+"/predict", io.NopCloser(body))
		if err != nil {
			t.Fatal(err)
		}
		waiting.Go(func() {
			if answer, err := ann.client.Do(r); err == nil {
				answer.Body.Close()
			}
		})
	}
	for deadline := time.Now().Add(5 * time.Second); h.waiting() < maxAtOnce; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d requests came", h.waiting(), maxAtOnce)
		}
	}
	if status, _ := ann.post("predict", `{}`); status != http.StatusTooManyRequests {
		t.Errorf("one more: %d", status)
	}
	if status, _ := bob.post("predict", `{}`); status == http.StatusTooManyRequests {
		t.Error("the neighbour waits too")
	}
}

// waiting is how many requests are being answered.
func (h *house) waiting() (n int) {
	h.site.busy.mu.Lock()
	defer h.site.busy.mu.Unlock()
	for _, each := range h.site.busy.each {
		n += each
	}
	return n
}
