package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// containerd is a containerd of our own, below dir, and its two services of the CRI.
type containerd struct {
	dir    string
	cmd    *exec.Cmd
	conn   *grpc.ClientConn
	bridge bool // pods have a network of their own
	client runtime.RuntimeServiceClient
}

// benchCRI makes the same pod from the same layers as the kubelet would: RunPodSandbox with our pause and a cable to a bridge (CNI's own
// plugins), CreateContainer and StartContainer twice, one after the other; then ExecSync; then StopContainer, StopPodSandbox and
// RemovePodSandbox. Containerd runs in a network namespace of its own, where the bridge is. Without the plugins pods have its network.
func benchCRI(ctx context.Context, b *bench) (err error) {
	if _, err := exec.LookPath("containerd"); err != nil {
		remark("containerd is not installed: nothing to compare with")
		return nil
	}
	dir, err := os.MkdirTemp("/var/tmp", "podlab-containerd-")
	if err != nil {
		return err
	}
	c := &containerd{dir: dir}
	defer func() { err = errors.Join(err, c.stop(), os.RemoveAll(dir)) }()
	if err := c.start(ctx); err != nil {
		return err
	}
	if err := c.load(ctx, filepath.Join(b.data, "images/oci")); err != nil {
		return err
	}
	return c.measure(ctx, b.rounds)
}

func (c *containerd) path(name string) string { return filepath.Join(c.dir, name) }

// criConfig is for containerd 1.6 and newer. Without CAP_SYS_RESOURCE no oom_score_adj can be lowered.
const criConfig = `version = 2
root = %[1]q
state = %[2]q
[grpc]
  address = %[3]q
[ttrpc]
  address = %[4]q
[plugins."io.containerd.internal.v1.opt"]
  path = %[5]q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/podlab/pause:bench"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %[6]q
    conf_dir = %[7]q
`

// cniPlugins is where Debian's containernetworking-plugins are.
const cniPlugins = "/usr/lib/cni"

// cniConfig is a network as a node's is: a bridge that is the pods' gateway, no way out.
const cniConfig = `{"cniVersion": "1.0.0", "name": "podlab", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": %q}}]}`

func (c *containerd) start(ctx context.Context) error {
	config := fmt.Sprintf(criConfig, c.path("root"), c.path("state"), c.path("grpc.sock"), c.path("ttrpc.sock"), c.path("opt"), cniPlugins, c.path("net.d"))
	if err := os.WriteFile(c.path("config.toml"), []byte(config), 0o600); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(cniPlugins, "bridge")); err == nil {
		c.bridge = true
		network := fmt.Sprintf(cniConfig, c.path("addresses"))
		if err := errors.Join(os.Mkdir(c.path("net.d"), 0o700), os.WriteFile(c.path("net.d/podlab.conflist"), []byte(network), 0o600)); err != nil {
			return err
		}
	}
	log, err := os.Create(c.path("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c.cmd = exec.Command("sh", "-c", "ip link set lo up && exec containerd --config "+c.path("config.toml"))
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Unshareflags: unix.CLONE_NEWNET}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	if c.conn, err = grpc.NewClient("unix://"+c.path("grpc.sock"), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		return err
	}
	c.client = runtime.NewRuntimeServiceClient(c.conn)
	err = wait(ctx, func() error { _, err := c.client.Version(ctx, &runtime.VersionRequest{}); return err })
	if err != nil {
		text, _ := os.ReadFile(c.path("log"))
		return fmt.Errorf("containerd does not answer: %w: %s", err, text)
	}
	return nil
}

// stop removes what is left of pods, and ends containerd.
func (c *containerd) stop() (err error) {
	if c.conn != nil {
		ctx := context.Background()
		list, listErr := c.client.ListPodSandbox(ctx, &runtime.ListPodSandboxRequest{})
		err = listErr
		for _, s := range list.GetItems() {
			err = errors.Join(err, c.remove(ctx, s.Id))
		}
		c.conn.Close()
	}
	if c.cmd == nil || c.cmd.Process == nil {
		return err
	}
	_ = c.cmd.Process.Signal(unix.SIGTERM)
	err = errors.Join(err, c.cmd.Wait())
	removeEmpty()
	return err
}

// removeEmpty removes the empty control groups that containerd leaves, and the directories that its shims make whatever its configuration is.
// One that holds anything stays.
func removeEmpty() {
	for _, pattern := range []string{
		"/sys/fs/cgroup/*/podlab-bench-cri/*", "/sys/fs/cgroup/podlab-bench-cri/*", "/sys/fs/cgroup/*/podlab-bench-cri", "/sys/fs/cgroup/podlab-bench-cri",
		"/run/containerd/runc/k8s.io", "/run/containerd/runc", "/run/containerd/s", "/run/containerd",
	} {
		dirs, _ := filepath.Glob(pattern)
		for _, dir := range dirs {
			_ = unix.Rmdir(dir)
		}
	}
}

// load imports our images as localhost/NAME:bench.
func (c *containerd) load(ctx context.Context, layout string) error {
	tar := c.path("images.tar")
	if err := packImages(layout, tar, "busybox", "podlab/pause"); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "ctr", "--address", c.path("grpc.sock"), "--namespace", "k8s.io", "images", "import", tar).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ctr images import: %w: %s", err, out)
	}
	return nil
}

func (c *containerd) measure(ctx context.Context, rounds int) error {
	var ready, execs, gone times
	for i := range rounds {
		var pod, web string
		took, err := timed(func() (err error) { pod, web, err = c.pod(ctx, fmt.Sprintf("bench-%d", i)); return err })
		if err != nil {
			return err
		}
		ready = append(ready, took)
		took, err = timed(func() error {
			_, err := c.client.ExecSync(ctx, &runtime.ExecSyncRequest{ContainerId: web, Cmd: []string{"true"}})
			return err
		})
		if err != nil {
			return err
		}
		execs = append(execs, took)
		if took, err = timed(func() error { return c.remove(ctx, pod) }); err != nil {
			return err
		}
		gone = append(gone, took)
	}
	if !c.bridge {
		remark("containerd's pods have no network of their own: containernetworking-plugins are not installed")
	}
	ready.print("cri.pod.ready")
	execs.print("cri.exec")
	gone.print("cri.pod.deleted")
	return nil
}

// pod makes the sandbox, then two containers one after the other, as the kubelet does.
func (c *containerd) pod(ctx context.Context, name string) (pod, web string, err error) {
	own := &runtime.NamespaceOption{Network: runtime.NamespaceMode_POD, Pid: runtime.NamespaceMode_CONTAINER}
	if !c.bridge {
		own.Network = runtime.NamespaceMode_NODE
	}
	sandbox := &runtime.PodSandboxConfig{
		Metadata:     &runtime.PodSandboxMetadata{Name: name, Namespace: "default", Uid: name},
		LogDirectory: c.path("logs"),
		Hostname:     name,
		Linux: &runtime.LinuxPodSandboxConfig{
			CgroupParent:    "/podlab-bench-cri",
			SecurityContext: &runtime.LinuxSandboxSecurityContext{NamespaceOptions: own},
		},
	}
	made, err := c.client.RunPodSandbox(ctx, &runtime.RunPodSandboxRequest{Config: sandbox})
	if err != nil {
		return "", "", err
	}
	for _, container := range []string{"logger", "web"} {
		created, err := c.client.CreateContainer(ctx, &runtime.CreateContainerRequest{
			PodSandboxId: made.PodSandboxId, SandboxConfig: sandbox,
			Config: &runtime.ContainerConfig{
				Metadata: &runtime.ContainerMetadata{Name: container},
				Image:    &runtime.ImageSpec{Image: "localhost/busybox:bench"},
				Command:  []string{"sleep", "3600"},
				LogPath:  name + "-" + container + ".log",
				Linux:    &runtime.LinuxContainerConfig{SecurityContext: &runtime.LinuxContainerSecurityContext{NamespaceOptions: own}},
			},
		})
		if err != nil {
			return "", "", err
		}
		web = created.ContainerId
		if _, err := c.client.StartContainer(ctx, &runtime.StartContainerRequest{ContainerId: web}); err != nil {
			return "", "", err
		}
	}
	return made.PodSandboxId, web, nil
}

// remove ends a pod without grace.
func (c *containerd) remove(ctx context.Context, pod string) error {
	list, err := c.client.ListContainers(ctx, &runtime.ListContainersRequest{Filter: &runtime.ContainerFilter{PodSandboxId: pod}})
	if err != nil {
		return err
	}
	for _, container := range list.Containers {
		if _, err := c.client.StopContainer(ctx, &runtime.StopContainerRequest{ContainerId: container.Id}); err != nil {
			return err
		}
	}
	if _, err := c.client.StopPodSandbox(ctx, &runtime.StopPodSandboxRequest{PodSandboxId: pod}); err != nil {
		return err
	}
	_, err = c.client.RemovePodSandbox(ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: pod})
	return err
}
