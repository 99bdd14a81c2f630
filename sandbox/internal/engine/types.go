package engine

import (
	"encoding/json"

	"github.com/opencontainers/runc/libcontainer"
)

// learnTypes has encoding/json learn what the first pod's start would have it learn, which is done once in a program's life: 3 of the 72 ms
// that the first start on a node made ahead computes.
func (e *Engine) learnTypes() {
	for _, v := range []any{&libcontainer.State{}, &record{}} {
		if _, err := json.Marshal(v); err != nil {
			e.cfg.Log.Error("types not learned", "err", err)
		}
	}
}
