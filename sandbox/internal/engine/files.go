package engine

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runc/libcontainer/configs"

	"podlab/sandbox"
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
	table, err := u.hosts(name)
	if err != nil {
		return err
	}
	for file, text := range map[string]string{
		hostsFile:    table,
		hostnameFile: name + "\n",
		resolvFile:   resolvConf(u.object.Spec.DNSPolicy, u.object.Spec.DNSConfig),
	} {
		if err := os.WriteFile(filepath.Join(u.dir(), file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// hosts is the text of /etc/hosts: the kubelet's, or the node's for a pod of the node's network.
func (u *unit) hosts(name string) (string, error) {
	if !u.object.Spec.HostNetwork {
		return hosts(u.record.Address, name) + aliases(u.object.Spec.HostAliases), nil
	}
	file, err := openInside("/", "etc/hosts") // a learner can make it anything: it is bounded, and empty unless it is a file
	if err != nil {
		return "", err
	}
	defer file.Close()
	own, err := io.ReadAll(file)
	if err != nil {
		return "", err
	}
	return "# Kubernetes-managed hosts file (host network).\n" + string(own) + aliases(u.object.Spec.HostAliases), nil
}

// hosts is the text of a pod's own /etc/hosts (managedHostsFileContent of pkg/kubelet/kubelet_pods.go).
func hosts(address, name string) string {
	var b strings.Builder
	b.WriteString("# Kubernetes-managed hosts file.\n")
	for _, line := range [][2]string{
		{"127.0.0.1", "localhost"}, {"::1", "localhost ip6-localhost ip6-loopback"}, {"fe00::", "ip6-localnet"},
		{"fe00::", "ip6-mcastprefix"}, {"fe00::1", "ip6-allnodes"}, {"fe00::2", "ip6-allrouters"},
	} {
		fmt.Fprintf(&b, "%s\t%s\n", line[0], line[1])
	}
	if address != "" {
		fmt.Fprintf(&b, "%s\t%s\n", address, name)
	}
	return b.String()
}

func aliases(list []sandbox.HostAlias) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n# Entries added by HostAliases.\n")
	for _, a := range list {
		fmt.Fprintf(&b, "%s\t%s\n", a.IP, strings.Join(a.Hostnames, "\t"))
	}
	return b.String()
}

// Values of dnsPolicy.
const (
	dnsClusterFirst = "ClusterFirst"
	dnsWithHostNet  = "ClusterFirstWithHostNet"
	dnsDefault      = "Default"
	dnsNone         = "None"
)

// Most of each that a resolver takes, by pkg/kubelet/network/dns.
const (
	maxNameservers = 3
	maxSearches    = 32
)

// nodeDNS is what a pod gets of the node. There is no name server on a node, and no cluster's; without these options resolvers ask
// 127.0.0.1 again and again.
var nodeDNS = []string{"timeout:1", "attempts:1"}

// resolvConf is the text of /etc/resolv.conf. All policies but None begin with what the node has, as the kubelet's do where no
// cluster DNS is known; dnsConfig adds to it.
func resolvConf(policy string, c *sandbox.PodDNSConfig) string {
	var options []string
	if policy != dnsNone {
		options = slices.Clone(nodeDNS)
	}
	var b strings.Builder
	if c != nil {
		for _, server := range c.Nameservers[:min(len(c.Nameservers), maxNameservers)] {
			fmt.Fprintf(&b, "nameserver %s\n", server)
		}
		if searches := c.Searches[:min(len(c.Searches), maxSearches)]; len(searches) > 0 {
			fmt.Fprintf(&b, "search %s\n", strings.Join(searches, " "))
		}
		for _, option := range c.Options {
			options = slices.DeleteFunc(options, func(o string) bool { return o == option.Name || strings.HasPrefix(o, option.Name+":") })
			options = append(options, optionWord(option))
		}
	}
	if len(options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(options, " "))
	}
	return b.String()
}

func optionWord(o sandbox.DNSOption) string {
	if o.Value == nil || *o.Value == "" {
		return o.Name
	}
	return o.Name + ":" + *o.Value
}

// fileMounts binds the unit's files into a container, but where it mounts a volume of its own.
func (u *unit) fileMounts(volumes []*configs.Mount) (mounts []*configs.Mount) {
	for _, f := range [][2]string{{hostsFile, "/etc/hosts"}, {hostnameFile, "/etc/hostname"}, {resolvFile, "/etc/resolv.conf"}} {
		taken := slices.ContainsFunc(volumes, func(m *configs.Mount) bool { return m.Destination == f[1] })
		if !taken {
			mounts = append(mounts, bind(filepath.Join(u.dir(), f[0]), f[1], 0))
		}
	}
	return mounts
}
