package main

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// settings is what the command line says.
type settings struct {
	run, data string
	group     int // gid that may use the sockets; 0 when only root may
	maxNodes  int
	defaults  sandbox.NodeSpec // sizes of a node that asks for none
}

// A node may ask for sizes between smallest and this many times the default; it counts as so many nodes.
const largest = 4

// smallest sizes with which node init, the agent and one pod still start.
var smallest = sandbox.NodeSpec{Memory: 64 << 20, CPU: 100, PIDs: 64, Disk: 32 << 20}

func parseSettings(flags *flag.FlagSet, args []string) (*settings, error) {
	s := &settings{}
	flags.StringVar(&s.data, "data", "/var/lib/podlab", "`folder` of images, programs and disks")
	flags.StringVar(&s.run, "run", "/run/podlab", "`folder` of sockets and state")
	group := flags.String("group", "", "`group` whose members may use the sockets; none: root only")
	flags.IntVar(&s.maxNodes, "max-nodes", 0, "most `nodes` at a time; 0: as many as the host's memory holds")
	memory := flags.String("memory", "512Mi", "a node's memory, swap excluded")
	cpu := flags.String("cpu", "1", "a node's share of `cores`")
	flags.Int64Var(&s.defaults.PIDs, "pids", 512, "a node's processes and threads")
	disk := flags.String("disk", "512Mi", "a node's disk")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for text, size := range map[*string]*int64{memory: &s.defaults.Memory, cpu: &s.defaults.CPU, disk: &s.defaults.Disk} {
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
func (s *settings) settle(group string) (err error) {
	for _, dir := range []*string{&s.run, &s.data} {
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
		if s.group, err = strconv.Atoi(g.Gid); err != nil {
			return err
		}
	}
	if s.maxNodes <= 0 {
		s.maxNodes, err = nodesInMemory(s.defaults.Memory)
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

func (s *settings) socket() string              { return filepath.Join(s.run, "sandboxd.sock") }
func (s *settings) states() string              { return filepath.Join(s.run, "sandboxd") }
func (s *settings) state(id string) string      { return filepath.Join(s.states(), id) }
func (s *settings) sockets() string             { return filepath.Join(s.run, "nodes") }
func (s *settings) nodeSocket(id string) string { return filepath.Join(s.sockets(), id+".sock") }
func (s *settings) work() string                { return filepath.Join(s.run, "mnt") }
func (s *settings) images() string              { return filepath.Join(s.data, "images") }
func (s *settings) programs() string            { return filepath.Join(s.data, "node", "bin") }
func (s *settings) disks() string               { return filepath.Join(s.data, "nodes") }

var (
	validID       = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	validHostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// complete fills in what spec leaves to the daemon and refuses what it may not ask for.
func (s *settings) complete(spec sandbox.NodeSpec) (sandbox.NodeSpec, error) {
	spec.Hostname = cmp.Or(spec.Hostname, "node")
	if !validID.MatchString(spec.ID) {
		return spec, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "id")
	}
	if !validHostname.MatchString(spec.Hostname) {
		return spec, sandbox.Errorf(sandbox.CodeBadRequest, "detail", "hostname")
	}
	sizes := []struct {
		name           string
		size           *int64
		least, usually int64
	}{
		{"memory", &spec.Memory, smallest.Memory, s.defaults.Memory},
		{"cpu", &spec.CPU, smallest.CPU, s.defaults.CPU},
		{"pids", &spec.PIDs, smallest.PIDs, s.defaults.PIDs},
		{"disk", &spec.Disk, smallest.Disk, s.defaults.Disk},
	}
	for _, of := range sizes {
		*of.size = cmp.Or(*of.size, of.usually)
		if *of.size < of.least || *of.size > largest*of.usually {
			return spec, sandbox.Errorf(sandbox.CodeBadRequest, "detail", of.name)
		}
	}
	return spec, nil
}

// places is how many of the host's places for nodes a node of that size takes.
func (s *settings) places(spec sandbox.NodeSpec) int {
	return int((spec.Memory + s.defaults.Memory - 1) / s.defaults.Memory)
}
