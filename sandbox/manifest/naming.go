package manifest

import (
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"podlab/sandbox"
)

// Kubernetes' bounds on dnsConfig.
const (
	maxNameservers = 3
	maxSearches    = 32
)

// naming checks what a pod is called and whom it can call by name.
func (d *document) naming(spec *sandbox.PodSpec) error {
	return first(
		func() error { return d.optionalName("spec.hostname", spec.Hostname) },
		func() error { return d.aliases(spec.HostAliases) },
		func() error {
			return d.choice("spec.dnsPolicy", spec.DNSPolicy, "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
		},
		func() error { return d.dns(spec) },
	)
}

func (d *document) aliases(aliases []sandbox.HostAlias) error {
	for i, a := range aliases {
		at := fmt.Sprintf("spec.hostAliases[%d]", i)
		if _, err := netip.ParseAddr(a.IP); err != nil {
			return d.bad(at+".ip", a.IP, WantAddress)
		}
		for j, name := range a.Hostnames {
			if err := d.subdomain(fmt.Sprintf("%s.hostnames[%d]", at, j), name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *document) dns(spec *sandbox.PodSpec) error {
	const at = "spec.dnsConfig"
	c := spec.DNSConfig
	if c == nil {
		c = &sandbox.PodDNSConfig{}
	}
	switch {
	case spec.DNSPolicy == "None" && len(c.Nameservers) == 0:
		return d.bad(at+".nameservers", "", WantRequired)
	case len(c.Nameservers) > maxNameservers:
		return d.bad(at+".nameservers", fmt.Sprint(len(c.Nameservers)), WantRange, "want", fmt.Sprintf("0–%d", maxNameservers))
	case len(c.Searches) > maxSearches:
		return d.bad(at+".searches", fmt.Sprint(len(c.Searches)), WantRange, "want", fmt.Sprintf("0–%d", maxSearches))
	}
	for i, s := range c.Nameservers {
		if _, err := netip.ParseAddr(s); err != nil {
			return d.bad(fmt.Sprintf("%s.nameservers[%d]", at, i), s, WantAddress)
		}
	}
	for i, s := range c.Searches {
		if s != "." && len(validation.IsDNS1123Subdomain(strings.TrimSuffix(s, "."))) > 0 {
			return d.bad(fmt.Sprintf("%s.searches[%d]", at, i), s, WantName)
		}
	}
	for i, o := range c.Options {
		at := fmt.Sprintf("%s.options[%d]", at, i)
		if o.Name == "" {
			return d.bad(at+".name", "", WantRequired)
		}
		if strings.ContainsAny(o.Name, " \t\n\x00") || o.Value != nil && strings.ContainsAny(*o.Value, " \t\n\x00") {
			return d.bad(at, o.Name, WantName)
		}
	}
	return nil
}

// absent refuses what a node has nothing of.
func (d *document) absent(spec *sandbox.PodSpec) error {
	if spec.AutomountServiceAccountToken != nil && *spec.AutomountServiceAccountToken {
		return d.refuse("spec.automountServiceAccountToken", "true", WhyAccounts)
	}
	if spec.OS == nil || spec.OS.Name == "linux" {
		return nil
	}
	if spec.OS.Name == "windows" {
		return d.refuse("spec.os.name", spec.OS.Name, WhyWindows)
	}
	return d.bad("spec.os.name", spec.OS.Name, WantChoice, "want", "linux")
}
