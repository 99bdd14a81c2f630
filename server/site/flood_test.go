package site

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestAFloodOfMessagesWaits: what a socket is sent too fast stays with the sender, and the socket stays open.
func TestAFloodOfMessagesWaits(t *testing.T) {
	h := open(t, Limits{})
	v := h.come()
	f := v.live()
	began := time.Now()
	ponged := make(chan struct{}, 1)
	f.conn.SetPongHandler(func(string) error { ponged <- struct{}{}; return nil })
	go func() {
		for {
			if _, _, err := f.conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	for range 2 * messageRate {
		if err := f.conn.WriteMessage(websocket.TextMessage, []byte(`{"hidden":false}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ponged:
	case <-time.After(10 * time.Second):
		t.Fatal("the socket is stuck")
	}
	// The first second's worth may come at once.
	if took := time.Since(began); took < 800*time.Millisecond {
		t.Errorf("%d messages were read in %v", 2*messageRate, took)
	}
}
