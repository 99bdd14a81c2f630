package observe

import (
	"os"
	"testing"
)

// BenchmarkListening compares the two sources of listening TCP sockets, for one network namespace with next to none.
func BenchmarkListening(b *testing.B) {
	b.Run("sock_diag", func(b *testing.B) {
		o := newObserver(b)
		o.r = newReader()
		for b.Loop() {
			o.listening(&space{})
		}
	})
	b.Run("proc", func(b *testing.B) {
		for b.Loop() {
			for _, name := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
				if _, err := os.ReadFile(name); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
