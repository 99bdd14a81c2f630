//go:build !linux || !cgo || !seccomp

// Package filter needs cgo, libseccomp and the build tag seccomp. Without them it only says so: nothing runs unfiltered by mistake.
package filter

import (
	"errors"
	"os"

	"github.com/opencontainers/runc/libcontainer/configs"
)

var errNotBuilt = errors.New("seccomp filter: this program was built without cgo and the tag seccomp")

// Program is a filter as seccomp(2) takes it.
type Program []byte

// Compile fails.
func Compile(*configs.Seccomp) (Program, error) { return nil, errNotBuilt }

// File fails.
func (p Program) File() (*os.File, error) { return nil, errNotBuilt }

// LoadFile fails.
func LoadFile(int) error { return errNotBuilt }
