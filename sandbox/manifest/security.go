package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"podlab/sandbox"
)

func (d *document) podSecurity(spec *sandbox.PodSpec) error {
	sc := spec.SecurityContext
	if sc == nil {
		return nil
	}
	const at = "spec.securityContext"
	for i, group := range sc.SupplementalGroups {
		if err := d.bounded(fmt.Sprintf("%s.supplementalGroups[%d]", at, i), &group, 0, maxUID); err != nil {
			return err
		}
	}
	return first(
		func() error { return d.users(at, sc.RunAsUser, sc.RunAsGroup) },
		func() error { return d.bounded(at+".fsGroup", sc.FSGroup, 0, maxUID) },
		func() error {
			return d.choice(at+".fsGroupChangePolicy", sc.FSGroupChangePolicy, "Always", "OnRootMismatch")
		},
		func() error {
			return d.choice(at+".supplementalGroupsPolicy", sc.SupplementalGroupsPolicy, "Merge", "Strict")
		},
		func() error { return d.seccomp(at+".seccompProfile", sc.SeccompProfile) },
		func() error { return d.sysctls(at+".sysctls", spec) },
	)
}

// safeSysctls is Kubernetes' safe set ("Using sysctls in a Kubernetes Cluster"): each is of one namespace only.
var safeSysctls = []string{
	"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
}

func (d *document) sysctls(at string, spec *sandbox.PodSpec) error {
	seen := map[string]bool{}
	for i, s := range spec.SecurityContext.Sysctls {
		at := fmt.Sprintf("%s[%d]", at, i)
		name := strings.ReplaceAll(s.Name, "/", ".")
		switch {
		case !slices.Contains(safeSysctls, name):
			return d.bad(at+".name", s.Name, WantChoice, "want", strings.Join(safeSysctls, ", "))
		case seen[name]:
			return d.bad(at+".name", s.Name, WantUnique)
		case spec.HostNetwork && strings.HasPrefix(name, "net."):
			return d.bad(at+".name", s.Name, WantAlone, "want", "hostNetwork")
		case spec.HostIPC && strings.HasPrefix(name, "kernel.shm"):
			return d.bad(at+".name", s.Name, WantAlone, "want", "hostIPC")
		case len(s.Value) > 256 || strings.ContainsAny(s.Value, "\x00\n"):
			return d.bad(at+".value", s.Value, WantString)
		}
		seen[name] = true
	}
	return nil
}

func (d *document) security(at string, sc *sandbox.SecurityContext) error {
	if sc == nil {
		return nil
	}
	return first(
		func() error { return d.users(at, sc.RunAsUser, sc.RunAsGroup) },
		func() error { return d.escalation(at+".allowPrivilegeEscalation", sc) },
		func() error { return d.procMount(at+".procMount", sc.ProcMount) },
		func() error { return d.seccomp(at+".seccompProfile", sc.SeccompProfile) },
		func() error { return d.capabilities(at+".capabilities", sc.Capabilities) },
	)
}

// escalation follows Kubernetes' rule that a privileged container, or one with SYS_ADMIN, cannot be kept from gaining privileges.
func (d *document) escalation(at string, sc *sandbox.SecurityContext) error {
	switch {
	case sc.AllowPrivilegeEscalation == nil:
		return nil
	case *sc.AllowPrivilegeEscalation:
		return d.refuse(at, "true", WhyPrivileges)
	case sc.Privileged != nil && *sc.Privileged:
		return d.bad(at, "false", WantAlone, "want", "privileged")
	case sc.Capabilities != nil && slices.Contains(sc.Capabilities.Add, "SYS_ADMIN"):
		return d.bad(at, "false", WantAlone, "want", "capabilities.add SYS_ADMIN")
	}
	return nil
}

func (d *document) procMount(at, kind string) error {
	if kind == "Unmasked" {
		return d.refuse(at, kind, WhyUnmasked)
	}
	return d.choice(at, kind, "Default")
}

func (d *document) seccomp(at string, profile *sandbox.SeccompProfile) error {
	switch {
	case profile == nil:
		return nil
	case profile.Type == "":
		return d.bad(at+".type", "", WantRequired)
	case profile.Type == "Localhost":
		return d.refuse(at+".type", profile.Type, WhyProfile)
	}
	return d.choice(at+".type", profile.Type, "RuntimeDefault", "Unconfined")
}

// capability: names of capabilities(7); Kubernetes wants them without CAP_.
var capability = regexp.MustCompile(`^[A-Z][A-Z_]{1,31}$`)

func (d *document) capabilities(at string, c *sandbox.Capabilities) error {
	if c == nil {
		return nil
	}
	for _, list := range []struct {
		field string
		names []string
	}{{".add", c.Add}, {".drop", c.Drop}} {
		for i, name := range list.names {
			if !capability.MatchString(name) {
				return d.bad(fmt.Sprintf("%s%s[%d]", at, list.field, i), name, WantName)
			}
		}
	}
	return nil
}

func (d *document) users(at string, user, group *int64) error {
	if err := d.bounded(at+".runAsUser", user, 0, maxUID); err != nil {
		return err
	}
	return d.bounded(at+".runAsGroup", group, 0, maxUID)
}
