//go:build seccomp

package engine

import (
	"sync"

	libseccomp "github.com/seccomp/libseccomp-golang"
)

// mostCalls is more than any architecture has system calls.
const mostCalls = 1024

// calls are the system calls of this machine that libseccomp has a name for.
var calls = sync.OnceValue(func() (names []string) {
	for number := range libseccomp.ScmpSyscall(mostCalls) {
		if name, err := number.GetName(); err == nil {
			names = append(names, name)
		}
	}
	return names
})
