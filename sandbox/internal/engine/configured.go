package engine

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"podlab/sandbox"
)

// safeSysctls are Kubernetes' safe set: each setting is of one namespace only, which the pod has for itself.
var safeSysctls = []string{
	"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
}

// validateConfiguration checks again what files, namespaces and identities are made from.
func (o *object) validateConfiguration() error {
	for _, a := range o.Spec.HostAliases {
		if _, err := netip.ParseAddr(a.IP); err != nil {
			return badValue("spec.hostAliases", a.IP, "not an address")
		}
		for _, name := range a.Hostnames {
			if !isDataName(name) {
				return badValue("spec.hostAliases", name, "not a name")
			}
		}
	}
	if !slices.Contains([]string{"", dnsClusterFirst, dnsWithHostNet, dnsDefault, dnsNone}, o.Spec.DNSPolicy) {
		return badValue("spec.dnsPolicy", o.Spec.DNSPolicy, "not a policy")
	}
	if c := o.Spec.DNSConfig; c != nil {
		for _, word := range dnsWords(c) {
			if word == "" || strings.ContainsAny(word, " \t\n\x00") {
				return badValue("spec.dnsConfig", word, "not a word")
			}
		}
	}
	return o.validatePodSecurity()
}

// dnsWords are all the texts of a dnsConfig: each is one word of a line.
func dnsWords(c *sandbox.PodDNSConfig) []string {
	words := slices.Concat(c.Nameservers, c.Searches)
	for _, option := range c.Options {
		words = append(words, optionWord(option))
	}
	return words
}

func (o *object) validatePodSecurity() error {
	sc := o.Spec.SecurityContext
	if sc == nil {
		return nil
	}
	const at = "spec.securityContext."
	for _, id := range append([]*int64{sc.RunAsUser, sc.RunAsGroup, sc.FSGroup}, pointers(sc.SupplementalGroups)...) {
		if !isID(id) {
			return badValue(at+"runAsUser", strconv.FormatInt(*id, 10), "0 to "+strconv.Itoa(maxID))
		}
	}
	for _, s := range sc.Sysctls {
		name := strings.ReplaceAll(s.Name, "/", ".")
		switch {
		case !slices.Contains(safeSysctls, name), strings.ContainsAny(s.Value, "\n\x00"):
			return badValue(at+"sysctls", s.Name, "not in the safe set")
		case o.Spec.HostNetwork && strings.HasPrefix(name, "net."), o.Spec.HostIPC && strings.HasPrefix(name, "kernel."):
			return badValue(at+"sysctls", s.Name, "of the node's own namespace")
		}
	}
	return validateProfile(at+"seccompProfile", sc.SeccompProfile)
}

func pointers(ids []int64) (out []*int64) {
	for i := range ids {
		out = append(out, &ids[i])
	}
	return out
}

func isID(id *int64) bool { return id == nil || *id >= 0 && *id <= maxID }

func validateProfile(at string, p *sandbox.SeccompProfile) error {
	if p != nil && p.Type != profileDefault && p.Type != profileUnconfined {
		return badValue(at, p.Type, profileDefault+" or "+profileUnconfined)
	}
	return nil
}

// validateSources checks a container's security context and where its variables come from.
func validateSources(at string, c *sandbox.ContainerSpec) error {
	if sc := c.SecurityContext; sc != nil {
		if !isID(sc.RunAsUser) || !isID(sc.RunAsGroup) {
			return badValue(at+"securityContext.runAsUser", "", "0 to "+strconv.Itoa(maxID))
		}
		if err := validateProfile(at+"securityContext.seccompProfile", sc.SeccompProfile); err != nil {
			return err
		}
		if isTrue(sc.AllowPrivilegeEscalation) || sc.ProcMount != "" && sc.ProcMount != "Default" {
			return badValue(at+"securityContext", sc.ProcMount, "not on a node")
		}
	}
	for i, v := range c.Env {
		s := v.ValueFrom
		if s != nil && !exactlyOne(s.FieldRef != nil, s.ResourceFieldRef != nil, s.ConfigMapKeyRef != nil, s.SecretKeyRef != nil) {
			return badValue(at+"env["+strconv.Itoa(i)+"].valueFrom", v.Name, "needs exactly one source")
		}
	}
	for i, f := range c.EnvFrom {
		if !exactlyOne(f.ConfigMapRef != nil, f.SecretRef != nil) {
			return badValue(at+"envFrom["+strconv.Itoa(i)+"]", f.Prefix, "needs exactly one source")
		}
	}
	return nil
}

func exactlyOne(set ...bool) bool {
	n := 0
	for _, yes := range set {
		if yes {
			n++
		}
	}
	return n == 1
}

// validateVolumes returns the volumes' names.
func (o *object) validateVolumes() (names []string, err error) {
	for i := range o.Spec.Volumes {
		v := &o.Spec.Volumes[i]
		at := "spec.volumes[" + strconv.Itoa(i) + "]."
		if !isLabel(v.Name) || slices.Contains(names, v.Name) {
			return nil, badValue(at+"name", v.Name, "not a name of its own")
		}
		names = append(names, v.Name)
		if !exactlyOne(v.EmptyDir != nil, v.HostPath != nil, v.ConfigMap != nil, v.Secret != nil, v.DownwardAPI != nil, v.Projected != nil) {
			return nil, badValue(at+"name", v.Name, "needs exactly one source")
		}
		if err := validateVolume(at, v); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func validateVolume(at string, v *sandbox.VolumeSource) error {
	if h := v.HostPath; h != nil && !isPath(h.Path) {
		return badValue(at+"hostPath.path", h.Path, "not an absolute path without ..")
	}
	if h := v.HostPath; h != nil && !slices.Contains(hostPathTypes, h.Type) {
		return badValue(at+"hostPath.type", h.Type, strings.Join(hostPathTypes, ", "))
	}
	if e := v.EmptyDir; e != nil && e.Medium != "" && e.Medium != mediumMemory {
		return badValue(at+"emptyDir.medium", e.Medium, mediumMemory+" or nothing")
	}
	if e := v.EmptyDir; e != nil && e.SizeLimit != "" {
		if _, err := sandbox.ParseQuantity(e.SizeLimit); err != nil {
			return badValue(at+"emptyDir.sizeLimit", e.SizeLimit, err.Error())
		}
	}
	files, ok := volumeFiles(v)
	for _, file := range files {
		if !isRelative(file) || path.Clean("/"+file) == "/" || strings.HasPrefix(file, "..") {
			return badValue(at+"items", file, "not a relative path without ..")
		}
	}
	if !ok {
		return badValue(at+"projected.sources", v.Name, "each needs exactly one source, each item exactly one field")
	}
	return nil
}

// volumeFiles lists the paths that a data volume names; false when something in it has not exactly one source.
func volumeFiles(v *sandbox.VolumeSource) (files []string, ok bool) {
	var items []sandbox.KeyToPath
	var fields []sandbox.DownwardAPIFile
	ok = true
	switch {
	case v.ConfigMap != nil:
		items = v.ConfigMap.Items
	case v.Secret != nil:
		items = v.Secret.Items
	case v.DownwardAPI != nil:
		fields = v.DownwardAPI.Items
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			if !exactlyOne(s.ConfigMap != nil, s.Secret != nil, s.DownwardAPI != nil) {
				return nil, false
			}
			for _, data := range []*sandbox.KeyProjection{s.ConfigMap, s.Secret} {
				if data != nil {
					items = append(items, data.Items...)
				}
			}
			if s.DownwardAPI != nil {
				fields = append(fields, s.DownwardAPI.Items...)
			}
		}
	}
	for _, item := range items {
		files = append(files, item.Path)
	}
	for _, field := range fields {
		files = append(files, field.Path)
		ok = ok && exactlyOne(field.FieldRef != nil, field.ResourceFieldRef != nil)
	}
	return files, ok
}
