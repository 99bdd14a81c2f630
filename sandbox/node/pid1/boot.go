package pid1

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/cgroup"
	"podlab/sandbox/node/shell"
)

// profile is root's ~/.bash_profile unless the image has one: the prompt of the lessons.
const profile = `export PATH=/opt/podlab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
PS1='\[\e[1;32m\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ '
alias ls='ls --color=auto' ll='ls -l --color=auto' grep='grep --color=auto' ip='ip -color=auto'
HISTCONTROL=ignoreboth
`

// boot brings up what the daemon left to the node itself. It goes on after an error and returns all of them.
func boot(log *slog.Logger) error {
	unix.Umask(0o022)
	var errs []error
	for _, dir := range []string{"/run/podlab", "/run/podlab/agent"} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			errs = append(errs, err)
		}
	}
	if err := loopbackUp(); err != nil {
		errs = append(errs, fmt.Errorf("loopback: %w", err))
	}
	if err := cgroup.Narrow(shell.CgroupRoot); err != nil {
		errs = append(errs, fmt.Errorf("cgroup: %w", err))
	}
	if err := cgroup.HandDown(shell.CgroupRoot, "pods", "containers"); err != nil {
		errs = append(errs, fmt.Errorf("cgroup: %w", err))
	}
	if err := writeNew("/root/.bash_profile", profile); err != nil {
		errs = append(errs, err)
	}
	log.Info("node is up", "pid", os.Getpid())
	return errors.Join(errs...)
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// loopbackUp is "ip link set lo up" (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return err
	}
	if request.Uint16()&unix.IFF_UP != 0 {
		return nil
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}
