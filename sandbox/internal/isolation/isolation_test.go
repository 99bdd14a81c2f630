package isolation

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runc/libcontainer/configs"

	"podlab/sandbox"
)

// TestConfig: every namespace is the node's own, nobody raises a limit, and no device of the host but six harmless ones is there.
func TestConfig(t *testing.T) {
	spec := sandbox.NodeSpec{ID: "n", Hostname: "node", Memory: 256 << 20, CPU: 500, PIDs: 100}
	c := Config(spec, "podlab/n", "/root", 0x1000_0000, os.Stdin)
	for _, kind := range []configs.NamespaceType{configs.NEWUSER, configs.NEWPID, configs.NEWNS, configs.NEWNET, configs.NEWIPC, configs.NEWUTS, configs.NEWCGROUP} {
		if !c.Namespaces.Contains(kind) {
			t.Errorf("no %s namespace", kind)
		}
	}
	for _, forbidden := range []string{"CAP_SYS_RESOURCE", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_BPF", "CAP_SYS_BOOT", "CAP_SYS_TIME", "CAP_MAC_ADMIN"} {
		if slices.Contains(c.Capabilities.Bounding, forbidden) {
			t.Errorf("a node has %s", forbidden)
		}
	}
	if !c.NoNewPrivileges || c.UIDMappings[0].HostID != 0x1000_0000 || c.UIDMappings[0].Size != 65536 || c.Sysctl["user.max_user_namespaces"] != "0" {
		t.Errorf("%+v", c)
	}
	r := c.Cgroups.Resources
	if c.Cgroups.Path != "/podlab/n" || r.Memory != spec.Memory || *r.PidsLimit != 100 || r.CpuQuota != 50_000 || r.CpuPeriod != 100_000 {
		t.Errorf("resources: %+v", r)
	}
	if len(c.Devices) != 6 {
		t.Errorf("%d devices", len(c.Devices))
	}
	for _, m := range c.Mounts {
		if m.Device == "tmpfs" && !strings.Contains(m.Data, "size=") {
			t.Errorf("%s may take all memory", m.Destination)
		}
	}
}

func TestForbiddenCallsAreNamed(t *testing.T) {
	if _, err := NewFilter(); err != nil {
		t.Fatal(err)
	}
	for _, rule := range conditions() {
		for _, arg := range rule.Args {
			if size := ^arg.Value + 1; arg.Op == configs.MaskEqualTo && arg.Index == 2 && (size&(size-1) != 0 || arg.ValueTwo%size != 0) {
				t.Errorf("%s: %d values from %d on are not one comparison", rule.Name, size, arg.ValueTwo)
			}
		}
		if rule.Action == configs.Allow && len(rule.Args) == 0 && slices.Contains(forbidden, rule.Name) {
			t.Errorf("%s is forbidden and allowed", rule.Name)
		}
	}
}
