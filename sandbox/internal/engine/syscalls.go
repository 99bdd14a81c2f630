//go:build seccomp

package engine

import libseccomp "github.com/seccomp/libseccomp-golang"

// exists reports whether this machine has a system call of that name. libseccomp gives those of other machines negative numbers.
func exists(name string) bool {
	call, err := libseccomp.GetSyscallFromName(name)
	return err == nil && call >= 0
}
