package engine

import (
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// serviceAccount is what Kubernetes calls the account of a pod that names none. Here it is a name and nothing else.
const serviceAccount = "default"

// field is the text of one of the pod's own fields (Kubernetes, "Downward API"). own variables may not show all labels, files may
// not show addresses; package manifest says so with the line.
func (u *unit) field(path string) (string, error) {
	meta := &u.object.Meta
	status := u.record.status(u.engine.bridge.Address.String())
	switch path {
	case "metadata.name":
		return meta.Name, nil
	case "metadata.namespace":
		return meta.Namespace, nil
	case "metadata.uid":
		return u.record.UID, nil
	case "metadata.labels":
		return formatMap(meta.Labels), nil
	case "metadata.annotations":
		return formatMap(meta.Annotations), nil
	case "spec.nodeName":
		return u.engine.cfg.Hostname, nil
	case "spec.serviceAccountName":
		return serviceAccount, nil
	case "status.hostIP", "status.hostIPs":
		return status.HostIP, nil
	case "status.podIP", "status.podIPs":
		return status.PodIP, nil
	}
	for prefix, from := range map[string]map[string]string{"metadata.labels['": meta.Labels, "metadata.annotations['": meta.Annotations} {
		if key, ok := strings.CutPrefix(path, prefix); ok && strings.HasSuffix(key, "']") {
			return from[strings.TrimSuffix(key, "']")], nil
		}
	}
	return "", fmt.Errorf("unsupported fieldPath: %s", path)
}

// formatMap writes labels as the kubelet does (pkg/fieldpath): sorted, values in quotes.
func formatMap(m map[string]string) string {
	lines := make([]string, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, key+"="+strconv.Quote(m[key]))
	}
	return strings.Join(lines, "\n")
}

// resource is the text of one of a container's resources, divided and rounded up. A limit that is not set is the node's capacity,
// as in Kubernetes.
func (u *unit) resource(ref *sandbox.ResourceFieldSelector, own *sandbox.ContainerSpec) (string, error) {
	c := own
	if ref.ContainerName != "" {
		if c = u.specOf(ref.ContainerName); c == nil {
			return "", fmt.Errorf("container %s not found", ref.ContainerName)
		}
	}
	if c == nil {
		return "", fmt.Errorf("no container is named for resource %s", ref.Resource)
	}
	what, key, _ := strings.Cut(ref.Resource, ".")
	from := c.Resources.Limits
	if what == "requests" {
		from = c.Resources.Requests
	}
	amount, err := sandbox.ParseQuantity(from[key])
	if from[key] == "" {
		amount, err = sandbox.Quantity{}, nil
		if what == "limits" {
			amount, err = sandbox.ParseQuantity(u.engine.allocatable(key))
		}
	}
	if err != nil {
		return "", err
	}
	return divide(key, amount, ref.Divisor)
}

func divide(key string, amount sandbox.Quantity, by string) (string, error) {
	divisor, err := sandbox.ParseQuantity(by)
	if by == "" || divisor.MilliValue() == 0 {
		divisor, err = sandbox.ParseQuantity("1")
	}
	if err != nil {
		return "", err
	}
	if key == "cpu" {
		return ceil(amount.MilliValue(), divisor.MilliValue()), nil
	}
	return ceil(amount.Value(), divisor.Value()), nil
}

func ceil(n, by int64) string {
	return strconv.FormatInt(int64(math.Ceil(float64(n)/float64(by))), 10)
}

// allocatable is what the node has of a resource, as a quantity.
func (e *Engine) allocatable(key string) string {
	switch key {
	case "cpu":
		if e.cfg.Capacity.CPU == 0 {
			return strconv.Itoa(runtime.NumCPU())
		}
		return strconv.FormatInt(e.cfg.Capacity.CPU, 10) + "m"
	case "memory":
		var info unix.Sysinfo_t
		if e.cfg.Capacity.Memory == 0 && unix.Sysinfo(&info) == nil {
			return strconv.FormatUint(info.Totalram*uint64(info.Unit), 10)
		}
		return strconv.FormatInt(e.cfg.Capacity.Memory, 10)
	}
	var disk unix.Statfs_t
	if unix.Statfs(e.cfg.Disk, &disk) != nil {
		return "0"
	}
	return strconv.FormatUint(disk.Blocks*uint64(disk.Bsize), 10)
}

// specOf finds a container of the manifest by its name.
func (u *unit) specOf(name string) *sandbox.ContainerSpec {
	for _, c := range u.all() {
		if c.spec != nil && c.spec.Name == name {
			return c.spec
		}
	}
	return nil
}
