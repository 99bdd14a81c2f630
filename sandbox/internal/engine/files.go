package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runc/libcontainer/configs"
)

// Files that the engine writes for a unit and binds into each of its containers, as the kubelet does.
const (
	hostsFile    = "etc-hosts"
	hostnameFile = "hostname"
	resolvFile   = "resolv.conf"
)

// writeFiles writes /etc/hosts, /etc/hostname and /etc/resolv.conf for the unit's address and name.
func (u *unit) writeFiles() error {
	if err := os.MkdirAll(u.dir(), 0o711); err != nil {
		return err
	}
	name := u.hostname()
	for file, text := range map[string]string{
		hostsFile:    hosts(u.record.Address, name),
		hostnameFile: name + "\n",
		// There is no name server on a node. Without this line resolvers ask 127.0.0.1 again and again.
		resolvFile: "options timeout:1 attempts:1\n",
	} {
		if err := os.WriteFile(filepath.Join(u.dir(), file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// hosts is the text of /etc/hosts, as the kubelet writes it.
func hosts(address, name string) string {
	var b strings.Builder
	b.WriteString("# Kubernetes-managed hosts file.\n")
	for _, line := range [][2]string{
		{"127.0.0.1", "localhost"}, {"::1", "localhost ip6-localhost ip6-loopback"}, {"fe00::", "ip6-localnet"},
		{"fe00::1", "ip6-allnodes"}, {"fe00::2", "ip6-allrouters"},
	} {
		fmt.Fprintf(&b, "%s\t%s\n", line[0], line[1])
	}
	if address != "" {
		fmt.Fprintf(&b, "%s\t%s\n", address, name)
	}
	return b.String()
}

func (u *unit) fileMounts() []*configs.Mount {
	return []*configs.Mount{
		bind(filepath.Join(u.dir(), hostsFile), "/etc/hosts", 0),
		bind(filepath.Join(u.dir(), hostnameFile), "/etc/hostname", 0),
		bind(filepath.Join(u.dir(), resolvFile), "/etc/resolv.conf", 0),
	}
}
