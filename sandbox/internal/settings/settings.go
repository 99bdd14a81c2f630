// Package settings is what the root daemon's command line says, and what follows from it: the paths of its files (ARCHITECTURE.md, "Files
// on the host"), and which nodes may be asked for.
package settings

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// Settings are complete: nothing is left to be worked out.
type Settings struct {
	Run, Data string // absolute, without characters that overlayfs could mistake
	Group     int    // gid that may use the sockets; 0 when only root may
	MaxNodes  int
	Spares    int              // nodes that are made ahead
	Defaults  sandbox.NodeSpec // sizes of a node that asks for none
}

// A node may ask for sizes between smallest and this many times the default; it counts as so many nodes.
const largest = 4

// smallest sizes with which node init, the agent and one pod still start.
var smallest = sandbox.NodeSpec{Memory: 64 << 20, CPU: 100, PIDs: 64, Disk: 32 << 20}

// Parse reads a command line. Its errors are for who wrote that.
func Parse(flags *flag.FlagSet, args []string) (*Settings, error) {
	s := &Settings{}
	flags.StringVar(&s.Data, "data", "/var/lib/podlab", "`folder` of images, programs and disks")
	flags.StringVar(&s.Run, "run", "/run/podlab", "`folder` of sockets and state")
	group := flags.String("group", "", "`group` whose members may use the sockets; none: root only")
	flags.IntVar(&s.MaxNodes, "max-nodes", 0, "most `nodes` at a time; 0: as many as the host's memory holds")
	flags.IntVar(&s.Spares, "spares", 2, "`nodes` kept ready ahead, of the sizes last asked for, while there is room; each takes some 6 MB")
	memory := flags.String("memory", "512Mi", "a node's memory, swap excluded")
	cpu := flags.String("cpu", "1", "a node's share of `cores`")
	flags.Int64Var(&s.Defaults.PIDs, "pids", 512, "a node's processes and threads")
	disk := flags.String("disk", "512Mi", "a node's disk")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for text, size := range map[*string]*int64{memory: &s.Defaults.Memory, cpu: &s.Defaults.CPU, disk: &s.Defaults.Disk} {
		q, err := sandbox.ParseQuantity(*text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", *text, err)
		}
		*size = q.Value()
		if text == cpu {
			*size = q.MilliValue()
		}
	}
	return s, s.settle(*group)
}

// settle checks the settings and works out what was left open.
func (s *Settings) settle(group string) (err error) {
	for _, dir := range []*string{&s.Run, &s.Data} {
		if *dir, err = filepath.Abs(*dir); err != nil {
			return err
		}
		// overlayfs takes its directories as a list with these as separators.
		if !regexp.MustCompile(`^[^,:\\\s]+$`).MatchString(*dir) {
			return fmt.Errorf("%q: no comma, colon, backslash or space may be in it", *dir)
		}
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return err
		}
		if s.Group, err = strconv.Atoi(g.Gid); err != nil {
			return err
		}
	}
	if s.MaxNodes <= 0 {
		s.MaxNodes, err = nodesInMemory(s.Defaults.Memory)
	}
	return err
}

// nodesInMemory is how many nodes of that size fit in the host's memory with a tenth, but at least 512 MiB, left to the host.
func nodesInMemory(size int64) (int, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, os.NewSyscallError("sysinfo", err)
	}
	total := int64(min(info.Totalram*uint64(info.Unit), math.MaxInt64))
	return int(max(1, (total-max(total/10, 512<<20))/size)), nil
}

// Paths: see ARCHITECTURE.md.

func (s *Settings) Socket() string              { return filepath.Join(s.Run, "sandboxd.sock") }
func (s *Settings) States() string              { return filepath.Join(s.Run, "sandboxd") }
func (s *Settings) State(id string) string      { return filepath.Join(s.States(), id) }
func (s *Settings) Sockets() string             { return filepath.Join(s.Run, "nodes") }
func (s *Settings) NodeSocket(id string) string { return filepath.Join(s.Sockets(), id+".sock") }
func (s *Settings) LockFile() string            { return filepath.Join(s.Run, "lock") }
func (s *Settings) Work() string                { return filepath.Join(s.Run, "mnt") }
func (s *Settings) Images() string              { return filepath.Join(s.Data, "images") }
func (s *Settings) Programs() string            { return filepath.Join(s.Data, "node", "bin") }
func (s *Settings) Disks() string               { return filepath.Join(s.Data, "nodes") }

// Lock makes this the one daemon of the run directory, until the file is closed.
func (s *Settings) Lock() (*os.File, error) {
	f, err := os.OpenFile(s.LockFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: another daemon has it: %w", f.Name(), err)
	}
	return f, nil
}

// Groups is the nodes' control group, below the root of every hierarchy. Two daemons on one host (tests, trials) have different run
// directories and so different groups.
func (s *Settings) Groups() string {
	if s.Run == "/run/podlab" {
		return "podlab"
	}
	sum := fnv.New32a()
	sum.Write([]byte(s.Run))
	return fmt.Sprintf("podlab-%08x", sum.Sum32())
}

// MakeDirectories makes those of RUN and DATA. That of the nodes' sockets is the group's to enter.
func (s *Settings) MakeDirectories() error {
	for _, dir := range []string{s.Run, s.States(), s.Sockets(), s.Disks()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return errors.Join(os.Chmod(s.Run, 0o755), os.Chmod(s.States(), 0o700), os.Chmod(s.Disks(), 0o700),
		os.Chmod(s.Sockets(), 0o750), os.Chown(s.Sockets(), 0, s.Group))
}

var (
	validID       = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	validHostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// Complete fills in what spec leaves to the daemon and refuses what it may not ask for (bad_request).
func (s *Settings) Complete(spec sandbox.NodeSpec) (sandbox.NodeSpec, error) {
	spec.Hostname = cmp.Or(spec.Hostname, "node")
	spec.Subnet = cmp.Or(spec.Subnet, firstSubnet)
	if !validID.MatchString(spec.ID) {
		return spec, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "id", "want", "lower-case letters, digits and -, at most 40")
	}
	if !validHostname.MatchString(spec.Hostname) {
		return spec, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "hostname", "want", "lower-case letters, digits and -, at most 63")
	}
	if spec.Owner != "" && !validID.MatchString(spec.Owner) {
		return spec, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "owner")
	}
	if subnet, err := netip.ParsePrefix(spec.Subnet); err != nil || !validSubnet(subnet) {
		return spec, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "subnet")
	}
	sizes := []struct {
		name           string
		size           *int64
		least, usually int64
	}{
		{"memory", &spec.Memory, smallest.Memory, s.Defaults.Memory},
		{"cpu", &spec.CPU, smallest.CPU, s.Defaults.CPU},
		{"pids", &spec.PIDs, smallest.PIDs, s.Defaults.PIDs},
		{"disk", &spec.Disk, smallest.Disk, s.Defaults.Disk},
	}
	for _, of := range sizes {
		*of.size = cmp.Or(*of.size, of.usually)
		if *of.size < of.least || *of.size > largest*of.usually {
			return spec, sandbox.Errorf(sandbox.CodeBadRequest, "detail", of.name, "want", fmt.Sprintf("%d to %d", of.least, largest*of.usually))
		}
	}
	return spec, nil
}

// Pods' networks: each node's is a /24 of this.
var subnets = netip.MustParsePrefix("10.88.0.0/16")

const firstSubnet = "10.88.0.0/24"

func validSubnet(p netip.Prefix) bool {
	return p.Bits() == 24 && p == p.Masked() && subnets.Contains(p.Addr())
}

// Places is how many of the host's places for nodes a node of that size takes.
func (s *Settings) Places(spec sandbox.NodeSpec) int {
	return int((spec.Memory + s.Defaults.Memory - 1) / s.Defaults.Memory)
}
