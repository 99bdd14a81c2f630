package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	_ "github.com/opencontainers/cgroups/devices" // rules for the test node, as in the daemon
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // the test binary is its own first stage
	"github.com/opencontainers/runc/libcontainer/seccomp"
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/internal/image"
)

// The tests run inside a node like the daemon's: the test binary makes one with libcontainer and runs itself again in it, as child
// of a process 1 that reaps. The node's root is the host's /usr; its image store has busybox and pause.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "init" {
		libcontainer.Init()
	}
	runtime.LockOSThread() // libcontainer's helpers change threads' namespaces: never the main one's (design.md, pitfall 2)
}

const roleVariable = "PODLAB_ENGINE_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "pid1":
		os.Exit(pid1())
	case "test":
		os.Exit(m.Run())
	case "agent":
		os.Exit(agentMain())
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			fmt.Fprintln(os.Stderr, "the engine's tests need root")
			os.Exit(1)
		}
		os.Exit(m.Run()) // needRoot skips what makes containers
	}
	if !seccomp.Enabled {
		fmt.Fprintln(os.Stderr, "the engine's tests need -tags seccomp")
		os.Exit(1)
	}
	code, err := inNode()
	if err != nil {
		fmt.Fprintln(os.Stderr, "test node:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// needRoot skips a test that makes containers where no node could be made for it.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getenv(roleVariable) != "test" {
		t.Skip("needs root")
	}
}

// pid1 is the test node's init: it runs the tests and reaps whatever they leave to it.
func pid1() int {
	if err := cgroup.HandDown("/sys/fs/cgroup", "pods", "containers"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv(roleVariable, "test")
	child, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == nil && pid == child {
			return status.ExitStatus()
		}
	}
}

const base = 0x6f000000 // first id of the test node on the host

// testGroup is the test node's control group. It names the process: two runs may be at it at once.
func testGroup() string { return "/podlab-engine-test-" + strconv.Itoa(os.Getpid()) }

// inNode makes the node, runs this program in it, and removes it.
func inNode() (code int, err error) {
	dir, err := os.MkdirTemp("", "podlab-engine")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := makeImages(filepath.Join(dir, "images")); err != nil {
		return 1, err
	}
	config, err := nodeConfig(dir)
	if err != nil {
		return 1, err
	}
	lc, err := libcontainer.Create(filepath.Join(dir, "run"), "node", config)
	if err != nil {
		return 1, err
	}
	defer lc.Destroy()
	process := &libcontainer.Process{
		Args: append([]string{"/opt/podlab/bin/" + filepath.Base(os.Args[0])}, arguments()...), Init: true, Cwd: "/",
		Env: append(os.Environ(), roleVariable+"=pid1", "PATH=/usr/sbin:/usr/bin"), Stdout: os.Stdout, Stderr: os.Stderr,
	}
	if err := lc.Start(process); err != nil {
		return 1, err
	}
	if err := delegate(testGroup()); err != nil {
		return 1, err
	}
	if err := lc.Exec(); err != nil {
		return 1, err
	}
	state, _ := process.Wait()
	for _, h := range hierarchies() {
		removeGroupDir(filepath.Join(h, testGroup()))
	}
	return state.ExitCode(), nil
}

// arguments are this program's, without those that name files of the host.
func arguments() []string {
	return slices.DeleteFunc(os.Args[1:], func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-test."), "=")
		return slices.Contains([]string{"testlogfile", "outputdir", "gocoverdir", "coverprofile", "cpuprofile", "memprofile", "trace"}, name)
	})
}

// delegate gives the node its control groups, as the daemon does.
func delegate(group string) error {
	for _, h := range hierarchies() {
		for _, name := range []string{"", "cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control"} {
			if err := os.Chown(filepath.Join(h, group, name), base, base); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
	}
	return nil
}

func nodeConfig(dir string) (*configs.Config, error) {
	root, disk, program := filepath.Join(dir, "root"), filepath.Join(dir, "disk"), filepath.Dir(os.Args[0])
	for _, d := range []string{"usr", "etc", "proc", "sys", "dev", "run", "tmp", "root", "opt/podlab/bin", "var/lib/podlab/images", "var/lib/podlab/disk"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+name, filepath.Join(root, name)); err != nil {
			return nil, err
		}
	}
	if err := os.Mkdir(disk, 0o755); err != nil {
		return nil, err
	}
	if out, err := exec.Command("chown", "-R", fmt.Sprintf("%d:%d", base, base), disk, root).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("chown: %s", out)
	}
	os.Chmod(dir, 0o755)
	ids := []configs.IDMap{{ContainerID: 0, HostID: base, Size: 65536}}
	const quiet = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	config := skeleton(root, testGroup())
	config.OomScoreAdj = nil
	config.Hostname = "node"
	config.UIDMappings, config.GIDMappings = ids, ids
	config.Namespaces = configs.Namespaces{{Type: configs.NEWUSER}, {Type: configs.NEWPID}, {Type: configs.NEWNS}, {Type: configs.NEWNET},
		{Type: configs.NEWIPC}, {Type: configs.NEWUTS}, {Type: configs.NEWCGROUP}}
	pids := int64(1000)
	config.Cgroups.Resources.PidsLimit = &pids
	config.Cgroups.Resources.Memory = 512 << 20
	config.Cgroups.Resources.CpuPeriod, config.Cgroups.Resources.CpuQuota = 100_000, 200_000
	for _, d := range append(nodes(), device("ptmx", 5, 2), device("pts", 136, -1)) {
		config.Cgroups.Resources.Devices = append(config.Cgroups.Resources.Devices, &d.Rule)
	}
	config.Capabilities = sets(append([]string{"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE"}, usual...))
	images := bind(filepath.Join(dir, "images"), "/var/lib/podlab/images", unix.MS_RDONLY)
	images.IDMapping = &configs.MountIDMapping{UIDMappings: ids, GIDMappings: ids}
	config.Mounts = []*configs.Mount{
		procMount(),
		{Source: "sysfs", Destination: "/sys", Device: "sysfs", Flags: quiet | unix.MS_RDONLY},
		{Source: "cgroup", Destination: "/sys/fs/cgroup", Device: "cgroup", Flags: quiet | unix.MS_RELATIME},
		devMount(),
		{Source: "devpts", Device: "devpts", Destination: "/dev/pts", Flags: unix.MS_NOSUID | unix.MS_NOEXEC, Data: "newinstance,ptmxmode=0666,mode=0620,gid=5"},
		{Source: "shm", Destination: "/dev/shm", Device: "tmpfs", Flags: quiet, Data: "mode=1777,size=64m"},
		{Source: "mqueue", Destination: "/dev/mqueue", Device: "mqueue", Flags: quiet},
		{Source: "tmpfs", Destination: "/run", Device: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_NODEV, Data: "mode=755,size=64m"},
		{Source: "tmpfs", Destination: "/tmp", Device: "tmpfs", Flags: unix.MS_NOSUID | unix.MS_NODEV, Data: "mode=1777,size=64m"},
		bind("/usr", "/usr", unix.MS_RDONLY), images, bind(disk, "/var/lib/podlab/disk", 0), bind(program, "/opt/podlab/bin", unix.MS_RDONLY),
	}
	return config, nil
}

// makeImages unpacks a store with three images: pause, and busybox as two layers (the second has a greeting), also as busybox2, which
// is stopped by SIGUSR1.
func makeImages(dir string) error {
	layer := func(n string) (image.Layer, string) {
		hex := strings.Repeat(n, 64)
		return image.Layer{Digest: "sha256:" + hex, Bytes: 1}, filepath.Join(dir, "layers", hex)
	}
	pause, pauseDir := layer("a")
	busybox, busyboxDir := layer("b")
	greeting, greetingDir := layer("c")
	for _, d := range []string{pauseDir, busyboxDir + "/bin", busyboxDir + "/etc", busyboxDir + "/tmp", busyboxDir + "/usr/share/old", greetingDir + "/srv"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := makePause(pauseDir); err != nil {
		return err
	}
	if out, err := exec.Command("sh", "-c", `cp /bin/busybox $0/bin/ && for a in $(/bin/busybox --list); do ln -s busybox $0/bin/$a; done &&
		echo root:x:0:0:root:/root:/bin/sh >$0/etc/passwd && echo root:x:0: >$0/etc/group && echo old >$0/usr/share/old/file`, busyboxDir).CombinedOutput(); err != nil {
		return fmt.Errorf("busybox: %s", out)
	}
	if err := os.WriteFile(greetingDir+"/srv/hello", []byte("hello\n"), 0o644); err != nil {
		return err
	}
	shell := image.Config{Cmd: []string{"sh"}, Env: []string{"FROM=image"}}
	index, err := json.Marshal([]image.Image{
		{Name: pauseImage, Digest: pause.Digest, Layers: []image.Layer{pause}, Config: image.Config{Entrypoint: []string{"/pause"}}, Internal: true},
		{Name: "busybox", Digest: busybox.Digest, Layers: []image.Layer{busybox, greeting}, Config: shell},
		{Name: "busybox2", Digest: greeting.Digest, Layers: []image.Layer{busybox}, Config: image.Config{Cmd: shell.Cmd, Env: shell.Env, StopSignal: "SIGUSR1"}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, image.IndexFile), index, 0o644)
}

// makePause puts pause into dir: the one of the images that are there (scripts/test, scripts/vm), else one that it builds.
func makePause(dir string) error {
	if data := os.Getenv("PODLAB_DATA"); data != "" {
		store, err := image.Open(filepath.Join(data, "images"))
		if err != nil {
			return err
		}
		made, err := store.Lookup(pauseImage)
		if err != nil {
			return err
		}
		program, err := os.ReadFile(filepath.Join(store.LayerPath(made.Layers[0]), "pause"))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "pause"), program, 0o755)
	}
	build := exec.Command("sh", "build", dir)
	build.Dir = "../../../content/images/podlab/pause"
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("pause: %s", out)
	}
	return nil
}
