package build

import (
	"archive/tar"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/sandboxtest"
)

// pause as process 1 of its own namespace reaps an orphan that it inherits, and ends on SIGTERM and SIGINT.
func TestPause(t *testing.T) {
	sandboxtest.Root(t)
	dir := t.TempDir()
	build := exec.Command("./build", dir)
	build.Dir = "../../../../content/images/podlab/pause"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pause := filepath.Join(dir, "pause")
	st, err := os.Stat(pause)
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() >= 1000 {
		t.Errorf("pause has %d bytes, want under 1000", st.Size())
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := exec.Command(pause)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		orphans := orphan(t, cmd.Process.Pid)
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Error(err)
		}
		for _, pid := range orphans {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
		waitChildren(t, cmd.Process.Pid, 0)
		if err := cmd.Process.Signal(sig); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v", sig, err)
		}
	}
}

// orphan leaves two children with the process that is 1 in pid's namespace: their parent ends at once.
func orphan(t *testing.T, pid int) []int {
	t.Helper()
	cmd := exec.Command("nsenter", "-t", strconv.Itoa(pid), "-p", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & sleep 1000 >/dev/null 2>&1 & exit 0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nsenter: %v: %s", err, out)
	}
	return waitChildren(t, pid, 2)
}

// waitChildren waits until the process has n children, zombies counted.
func waitChildren(t *testing.T, pid, n int) (children []int) {
	t.Helper()
	file := filepath.Join("/proc", strconv.Itoa(pid), "task", strconv.Itoa(pid), "children")
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		children = nil
		for _, word := range strings.Fields(string(data)) {
			child, _ := strconv.Atoi(word)
			children = append(children, child)
		}
		if len(children) == n {
			return children
		}
	}
	t.Fatalf("children %v, want %d of them", children, n)
	return nil
}

// The commands that lessons use do what they should in a bare root of each image, in namespaces of its own.
// TestPrograms waits for what a program shows, not for a time: keys that come before vi has drawn its screen are lost on a busy machine.
func TestPrograms(t *testing.T) {
	sandboxtest.Root(t)
	s, err := image.Open(buildAll(t).out)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ image, script, want string }{
		{"busybox", "for a in /bin/*; do test -e $a || echo no $a; done; busybox --list >/tmp/l; cd /bin; for a in *; do test $a = busybox || grep -qxF -- $a /tmp/l || echo no $a; done", ""},
		{"busybox", "echo hi >/var/www/i; httpd -p 80 -h /var/www; wget -qO- http://localhost/i; wget -qO- http://other/i; wget -qO- 127.0.0.1/i", "hi\nhi\nhi\n"},
		{"busybox", "nc -l -p 99 -e cat & sleep 0.2; echo ping | timeout 2 nc localhost 99", "ping\n"},
		{"busybox", "wget -qO- http://nosuch/ 2>&1", "wget: bad address 'nosuch'\n"},
		{"busybox", "ps -o pid,args | sed -n 2p; readlink /proc/1/ns/net | cut -c1-4; ip -o -4 addr show lo | awk '{print $4}'; hostname | wc -l", "    1 sh -c ps -o pid,args | sed -n 2p; readlink /proc/1/ns/net | cut -c1-4; ip -o -4 addr show lo | awk '{print $4}'; hostname | wc -l\nnet:\n127.0.0.1/8\n1\n"},
		{"busybox", "sleep 60 & kill $!; wait $!; echo $?; echo a > f; (until grep -q '~' seen; do sleep 0.05; done; printf 'rb:wq\\n') 2>/dev/null | vi f >seen 2>&1; cat f; ping -c1 -q 127.0.0.1 | grep -c ' 0% '", "143\nb\n1\n"},
		{"debian", "bash -c 'echo $((6*7))' | tee /tmp/a; cat /etc/debian_version | cut -d. -f1 | wc -l; id -un; find / -xdev -perm /6000 | wc -l", "42\n1\nroot\n0\n"},
		{"debian", "export LANG=C.UTF-8; bash -c 'a=中文; echo ${#a}'", "2\n"}, // a shell edits characters, not bytes
		{"nginx", "nginx -g 'daemon off;' 2>/dev/null >/tmp/log & until (exec 3<>/dev/tcp/127.0.0.1/80) 2>/dev/null; do sleep 0.05; done; exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3; kill %1; wait; grep -c 'GET / HTTP/1.0\" 200' /tmp/log", "HTTP/1.1 200 OK\r\n1\n"},
		{"podlab/node", "sleep 9 & sleep 0.1; pstree -T 1 | grep -c sleep; lsns -t net -n -o NS | wc -l; nsenter -t 1 -n ip -o -4 a | wc -l; ss -lnt | wc -l; ps -o pid= 1 | tr -d ' '; top -bn1 | grep -c Tasks; ping -c1 -q localhost | grep -c ' 0% '", "1\n1\n1\n1\n1\n1\n1\n"},
		{"podlab/node", "nc -lN 99 </dev/null >/tmp/got & sleep 0.2; echo hi | nc -N 127.0.0.1 99; wait; cat /tmp/got; httpd -p 80 -h /etc; wget -qO- localhost/host.conf | head -1; which vi less kill cat mount umount unshare fuser findmnt tree free | wc -l", "hi\nmulti on\n11\n"},
	} {
		img, err := s.Lookup(c.image)
		if err != nil {
			t.Fatal(err)
		}
		if got := runIn(t, s, img, c.script); got != c.want {
			t.Errorf("%s: %s\n got %q\nwant %q", c.image, c.script, got, c.want)
		}
	}
}

// enter mounts an overlay root on $1 and runs a command in it. $2 is the lower directories, the rest the command.
const enter = `set -e
mount --make-rprivate /; mount -t tmpfs none $1; cd $1; mkdir u w r none
mount -t overlay none -o lowerdir=$2:none,upperdir=u,workdir=w r; shift 2
mount -t proc none r/proc; mount -t tmpfs none r/dev
for n in null zero tty urandom; do cp -a /dev/$n r/dev/; done
ln -s /proc/self/fd r/dev/fd; ln -s fd/1 r/dev/stdout; ln -s fd/2 r/dev/stderr
printf '127.0.0.1 localhost other\n' > r/etc/hosts; ip link set lo up
exec env -i PATH=/usr/sbin:/usr/bin chroot r "$@"`

func runIn(t *testing.T, s *image.Store, img image.Image, script string) string {
	t.Helper()
	var lower []string
	for _, l := range img.Layers {
		lower = append([]string{s.LayerPath(l)}, lower...)
	}
	shell := "sh"
	if len(img.Layers) > 1 || img.Name == "debian" {
		shell = "bash"
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-mnpfiu", "--kill-child", "--mount-proc", "sh", "-c", enter, "sh", t.TempDir(),
		strings.Join(lower, ":"), shell, "-c", script)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && stderr.Len() > 0 {
		t.Logf("%s: %v: %s", img.Name, err, stderr.String())
	}
	return string(out)
}

// readTree is a layer as it lies on the disk.
func readTree(dir string) (Tree, error) {
	tree := Tree{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(file, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, file)
		e := Entry{Mode: int64(st.Mode & 0o7777), UID: int(st.Uid), GID: int(st.Gid)}
		switch {
		case d.IsDir():
			e.Type = tar.TypeDir
		case d.Type()&fs.ModeSymlink != 0:
			e.Type = tar.TypeSymlink
			e.Link, err = os.Readlink(file)
		default:
			e.Type = tar.TypeReg
			e.Data, err = os.ReadFile(file)
		}
		tree[name] = e
		return err
	})
	return tree, err
}
