package manifest

import (
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"podlab/sandbox"
)

// ResourcePIDs is the key of the limit on processes and threads; Kubernetes has it on the node only, as podPidsLimit.
const ResourcePIDs = "podlab.dev/pids"

// maxUID is the highest user id in a node: each node has 65,536 of them.
const maxUID = 65535

// finishPod checks values, and drops what only the agent sets: a pod that was got can be applied again.
func (d *document) finishPod(pod *sandbox.Pod) error {
	pod.Status = sandbox.PodStatus{}
	spec := &pod.Spec
	if err := d.meta(&pod.Metadata); err != nil {
		return err
	}
	if len(spec.Containers) == 0 {
		return d.bad("spec.containers", "", WantRequired)
	}
	err := first(
		func() error {
			return d.choice("spec.restartPolicy", spec.RestartPolicy, "Always", "OnFailure", "Never")
		},
		func() error { return d.naming(spec) },
		func() error { return d.absent(spec) },
		func() error {
			return d.bounded("spec.terminationGracePeriodSeconds", spec.TerminationGracePeriodSeconds, 0, 3600)
		},
		func() error {
			return d.bounded("spec.activeDeadlineSeconds", spec.ActiveDeadlineSeconds, 1, math.MaxInt32)
		},
		func() error { return d.sharing(spec) },
		func() error { return d.volumes(spec.Volumes) },
		func() error { return d.podSecurity(spec) },
	)
	if err != nil {
		return err
	}
	return d.containers(spec)
}

func (d *document) finishContainer(c *sandbox.PlainContainer) error {
	if err := d.meta(&c.Metadata); err != nil {
		return err
	}
	if c.Spec.Name == "" {
		c.Spec.Name = c.Metadata.Name
	}
	if c.Spec.Name != c.Metadata.Name {
		return d.bad("spec.name", c.Spec.Name, WantChoice, "want", c.Metadata.Name)
	}
	err := first(
		func() error {
			return d.choice("spec.restartPolicy", c.Spec.RestartPolicy, "Always", "OnFailure", "Never")
		},
		func() error { return d.volumes(c.Spec.Volumes) },
		func() error { return d.container("spec", &c.Spec.ContainerSpec, c.Spec.Volumes) },
		func() error { return d.plainLifecycle(&c.Spec.ContainerSpec) },
	)
	if err != nil || c.Spec.Join == nil {
		return err
	}
	j := c.Spec.Join
	return first(
		func() error { return d.joined("spec.join.network", j.Network) },
		func() error { return d.joined("spec.join.ipc", j.IPC) },
		func() error { return d.joined("spec.join.pid", j.PID) },
		func() error { return d.joined("spec.join.uts", j.UTS) },
	)
}

// first runs the checks in order and returns the first error.
func first(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) meta(m *sandbox.ObjectMeta) error {
	m.UID, m.CreationTimestamp, m.DeletionTimestamp = "", "", ""
	if err := d.name("metadata.name", m.Name); err != nil {
		return err
	}
	if err := d.optionalName("metadata.namespace", m.Namespace); err != nil {
		return err
	}
	for _, key := range sorted(m.Labels) {
		value := m.Labels[key]
		if len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0 {
			return d.bad("metadata.labels."+key, value, WantLabel)
		}
	}
	for _, key := range sorted(m.Annotations) {
		if len(validation.IsQualifiedName(strings.ToLower(key))) > 0 {
			return d.bad("metadata.annotations."+key, key, WantLabel)
		}
	}
	return nil
}

func (d *document) sharing(spec *sandbox.PodSpec) error {
	if spec.HostPID && spec.ShareProcessNamespace != nil && *spec.ShareProcessNamespace {
		return d.bad("spec.shareProcessNamespace", "true", WantAlone, "want", "hostPID")
	}
	return nil
}

// container checks one container's fields. Names of volumes are checked last: they are what lessons let learners get wrong.
func (d *document) container(at string, c *sandbox.ContainerSpec, volumes []sandbox.VolumeSource) error {
	return first(
		func() error { return d.name(at+".name", c.Name) },
		func() error { return d.image(at+".image", c.Image) },
		func() error {
			return d.choice(at+".imagePullPolicy", c.ImagePullPolicy, "Always", "IfNotPresent", "Never")
		},
		func() error { return d.variables(at, c.Env) },
		func() error { return d.envFrom(at, c.EnvFrom) },
		func() error { return d.ports(at, c.Ports) },
		func() error { return d.resources(at+".resources", c.Resources) },
		func() error { return d.security(at+".securityContext", c.SecurityContext) },
		func() error { return d.workingDir(at+".workingDir", c.WorkingDir) },
		func() error { return d.mounts(at, c, volumes) },
	)
}

// imageName is a reference as the OCI distribution specification has it: [HOST[:PORT]/]NAME[:TAG][@DIGEST].
var imageName = regexp.MustCompile(`^([a-z0-9][a-z0-9.-]*:[0-9]{1,5}/)?[a-z0-9]([a-z0-9._/-]*[a-z0-9])?` +
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$`)

func (d *document) image(at, image string) error {
	if image == "" {
		return d.bad(at, "", WantRequired)
	}
	if len(image) > 255 || !imageName.MatchString(image) {
		return d.bad(at, image, WantImage)
	}
	return nil
}

func (d *document) workingDir(at, dir string) error {
	if dir == "" {
		return nil
	}
	return d.absolute(at, dir)
}

func (d *document) ports(at string, ports []sandbox.ContainerPort) error {
	for i, p := range ports {
		at := fmt.Sprintf("%s.ports[%d]", at, i)
		if p.ContainerPort < 1 || p.ContainerPort > 65535 {
			return d.bad(at+".containerPort", strconv.Itoa(p.ContainerPort), WantRange, "want", "1–65535")
		}
		if err := d.choice(at+".protocol", p.Protocol, "TCP", "UDP", "SCTP"); err != nil {
			return err
		}
		if p.Name != "" && len(validation.IsValidPortName(p.Name)) > 0 {
			return d.bad(at+".name", p.Name, WantName)
		}
	}
	return nil
}

func (d *document) resources(at string, r sandbox.Resources) error {
	for _, key := range sorted(r.Limits) {
		if err := d.resource(at+".limits."+key, key, r.Limits[key], "cpu", "memory", "ephemeral-storage", ResourcePIDs); err != nil {
			return err
		}
	}
	for _, key := range sorted(r.Requests) {
		at, value := at+".requests."+key, r.Requests[key]
		if err := d.resource(at, key, value, "cpu", "memory", "ephemeral-storage"); err != nil {
			return err
		}
		limit, ok := r.Limits[key]
		if ok && parsed(value).Compare(parsed(limit)) > 0 {
			return d.bad(at, value, WantBelow, "want", limit)
		}
	}
	return nil
}

func (d *document) resource(at, key, value string, known ...string) error {
	if !slices.Contains(known, key) {
		return d.bad(at, key, WantChoice, "want", strings.Join(known, ", "))
	}
	if key == ResourcePIDs && parsed(value).Value() < 1 {
		return d.bad(at, value, WantRange, "want", "≥ 1")
	}
	return nil
}

// parsed is for quantities that document.quantity has already accepted.
func parsed(s string) sandbox.Quantity {
	q, err := sandbox.ParseQuantity(s)
	if err != nil {
		panic("manifest: quantity was not checked: " + s)
	}
	return q
}

// sorted keys make the first error the same one each time.
func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func (d *document) bounded(at string, n *int64, least, most int64) error {
	if n != nil && (*n < least || *n > most) {
		return d.bad(at, strconv.FormatInt(*n, 10), WantRange, "want", fmt.Sprintf("%d–%d", least, most))
	}
	return nil
}

func (d *document) choice(at, value string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return d.bad(at, value, WantChoice, "want", strings.Join(allowed, ", "))
}

func (d *document) name(at, name string) error {
	if name == "" {
		return d.bad(at, "", WantRequired)
	}
	return d.optionalName(at, name)
}

func (d *document) optionalName(at, name string) error {
	if name != "" && len(validation.IsDNS1123Label(name)) > 0 {
		return d.bad(at, name, WantName)
	}
	return nil
}

func (d *document) joined(at, target string) error {
	name, isContainer := strings.CutPrefix(target, "container:")
	if target == "" || target == "host" || isContainer && len(validation.IsDNS1123Label(name)) == 0 {
		return nil
	}
	return d.bad(at, target, WantJoin)
}

// absolute accepts what Kubernetes accepts as a host path, and nothing that a join could climb out of.
func (d *document) absolute(at, p string) error {
	if !path.IsAbs(p) || len(p) > 1024 || strings.ContainsAny(p, "\x00\n") || slices.Contains(strings.Split(p, "/"), "..") {
		return d.bad(at, p, WantPath)
	}
	return nil
}
