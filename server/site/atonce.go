package site

import (
	"net/http"
	"sync"
)

// maxAtOnce bounds the requests of one learner that wait for a node at one time: a node that never answers keeps each, and up to
// four MiB of an answer, for callWithin.
const maxAtOnce = 16

// atOnce counts the requests that are being answered, by learner.
type atOnce struct {
	mu   sync.Mutex
	each map[string]int
}

// enter takes a place for one request of a learner; leave gives it back.
func (a *atOnce) enter(learner string) (leave func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.each[learner] >= maxAtOnce {
		return nil, false
	}
	a.each[learner]++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.each[learner]--; a.each[learner] == 0 {
			delete(a.each, learner)
		}
	}, true
}

// fewAtOnce refuses a request when too many of the same learner are being answered.
func (s *Site) fewAtOnce() func(http.Handler) http.Handler {
	busy := &atOnce{each: map[string]int{}}
	return func(next http.Handler) http.Handler {
		return s.handle(func(w http.ResponseWriter, r *http.Request) error {
			leave, ok := busy.enter(who(r))
			if !ok {
				return errTooMany
			}
			defer leave()
			next.ServeHTTP(w, r)
			return nil
		})
	}
}
