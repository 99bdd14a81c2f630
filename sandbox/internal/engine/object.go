package engine

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
)

// Restart policies.
const (
	always    = "Always"
	onFailure = "OnFailure"
	never     = "Never"
)

// defaultGrace is Kubernetes' terminationGracePeriodSeconds when a pod names none.
const defaultGrace = 30

// resourcePIDs is the key of the limit on processes and threads.
const resourcePIDs = "podlab.dev/pids"

// resourceDisk is the key of what a container may write to the node's disk.
const resourceDisk = "ephemeral-storage"

// minMemory is the least memory limit, in bytes, that a container's first stage can start in.
const minMemory = 12 << 20

// object is what was applied: a Pod, or a plain container as a pod of one container without infra.
type object struct {
	Ref  sandbox.Ref
	Meta sandbox.ObjectMeta
	Spec sandbox.PodSpec
	Join sandbox.Join // of a plain container
}

func (o *object) plain() bool { return o.Ref.Kind == sandbox.ManifestContainer }

// grace is the object's own termination grace period in seconds.
func (o *object) grace() int64 {
	if s := o.Spec.TerminationGracePeriodSeconds; s != nil {
		return *s
	}
	return defaultGrace
}

func (o *object) sharesPID() bool {
	return o.Spec.ShareProcessNamespace != nil && *o.Spec.ShareProcessNamespace
}

// versions of the kinds that can be applied.
var versions = map[string]string{
	sandbox.ManifestPod: sandbox.APIVersionPod, sandbox.ManifestContainer: sandbox.APIVersionContainer,
	sandbox.ManifestConfigMap: sandbox.APIVersionPod, sandbox.ManifestSecret: sandbox.APIVersionPod,
}

// kindOf reads an object's kind, and checks it and its version.
func kindOf(data []byte) (string, error) {
	if len(data) > sandbox.MaxManifest {
		return "", sandbox.Errorf(sandbox.CodeTooLarge, "limit", strconv.Itoa(sandbox.MaxManifest))
	}
	var head struct{ APIVersion, Kind string }
	if err := json.Unmarshal(data, &head); err != nil {
		return "", sandbox.Errorf(sandbox.CodeBadManifest, "detail", err.Error())
	}
	if version, ok := versions[head.Kind]; !ok || version != head.APIVersion {
		return "", sandbox.Errorf(sandbox.CodeBadManifest, "field", "kind", "detail", head.APIVersion+" "+head.Kind)
	}
	return head.Kind, nil
}

// decode reads a pod or plain container strictly and fills in defaults.
func decode(kind string, data []byte) (*object, error) {
	if kind == sandbox.ManifestPod {
		return decodePod(data)
	}
	return decodePlain(data)
}

func decodePod(data []byte) (*object, error) {
	var pod sandbox.Pod
	if err := strict(data, &pod); err != nil {
		return nil, err
	}
	o := &object{Ref: sandbox.Ref{Kind: sandbox.ManifestPod, Name: pod.Metadata.Name}, Meta: pod.Metadata, Spec: pod.Spec}
	o.defaults(always)
	return o, o.validate("spec.containers[", "].")
}

func decodePlain(data []byte) (*object, error) {
	var plain sandbox.PlainContainer
	if err := strict(data, &plain); err != nil {
		return nil, err
	}
	o := &object{Ref: sandbox.Ref{Kind: sandbox.ManifestContainer, Name: plain.Metadata.Name}, Meta: plain.Metadata}
	spec := plain.Spec.ContainerSpec
	if spec.Name == "" {
		spec.Name = plain.Metadata.Name
	}
	if spec.Name != plain.Metadata.Name {
		return nil, badValue("spec.name", spec.Name, "must equal metadata.name")
	}
	o.Spec = sandbox.PodSpec{Containers: []sandbox.ContainerSpec{spec}, Volumes: plain.Spec.Volumes, RestartPolicy: plain.Spec.RestartPolicy}
	if plain.Spec.Join != nil {
		o.Join = *plain.Spec.Join
	}
	o.defaults(never)
	if err := o.validateJoin(); err != nil {
		return nil, err
	}
	return o, o.validate("spec.", "")
}

// specs lists all containers of the object.
func (o *object) specs() []*sandbox.ContainerSpec {
	var all []*sandbox.ContainerSpec
	for i := range o.Spec.InitContainers {
		all = append(all, &o.Spec.InitContainers[i])
	}
	for i := range o.Spec.Containers {
		all = append(all, &o.Spec.Containers[i])
	}
	for i := range o.Spec.EphemeralContainers {
		all = append(all, &o.Spec.EphemeralContainers[i].ContainerSpec)
	}
	return all
}

func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return sandbox.Errorf(sandbox.CodeBadManifest, "detail", err.Error())
	}
	return nil
}

func (o *object) defaults(policy string) {
	if o.Spec.RestartPolicy == "" {
		o.Spec.RestartPolicy = policy
	}
	if o.Meta.Namespace == "" {
		o.Meta.Namespace = "default"
	}
	for _, c := range o.specs() {
		for key, limit := range c.Resources.Limits {
			if _, ok := c.Resources.Requests[key]; !ok && key != resourcePIDs {
				if c.Resources.Requests == nil {
					c.Resources.Requests = map[string]string{}
				}
				c.Resources.Requests[key] = limit // a request defaults to its limit, as in Kubernetes
			}
		}
	}
}

// validate checks again, where it is trusted, what paths, cgroups and mounts are made from. The friendly checks, with lines, are
// made before by package manifest.
func (o *object) validate(before, after string) error {
	if !isLabel(o.Ref.Name) {
		return badValue("metadata.name", o.Ref.Name, "not a name")
	}
	if o.Spec.Hostname != "" && !isLabel(o.Spec.Hostname) {
		return badValue("spec.hostname", o.Spec.Hostname, "not a name")
	}
	if !slices.Contains([]string{always, onFailure, never}, o.Spec.RestartPolicy) {
		return badValue("spec.restartPolicy", o.Spec.RestartPolicy, "Always, OnFailure or Never")
	}
	if len(o.Spec.Containers) == 0 || len(o.Spec.Containers) > 16 {
		return badValue("spec.containers", strconv.Itoa(len(o.Spec.Containers)), "1 to 16 containers")
	}
	if o.Spec.HostPID && o.sharesPID() {
		return badValue("spec.shareProcessNamespace", "true", "not together with hostPID")
	}
	if err := o.validateConfiguration(); err != nil {
		return err
	}
	volumes, err := o.validateVolumes()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range o.Spec.Containers {
		c := &o.Spec.Containers[i]
		at := before
		if after != "" {
			at = before + strconv.Itoa(i) + after
		}
		if !isLabel(c.Name) || seen[c.Name] {
			return badValue(at+"name", c.Name, "not a name of its own")
		}
		seen[c.Name] = true
		if err := validateContainer(at, c, volumes); err != nil {
			return err
		}
	}
	return o.validateLifecycle(seen, volumes)
}

func validateContainer(at string, c *sandbox.ContainerSpec, volumes []string) error {
	if c.Image == "" || len(c.Image) > maxImage {
		return badValue(at+"image", c.Image, "1 to "+strconv.Itoa(maxImage)+" characters")
	}
	for i, m := range c.VolumeMounts {
		field := at + "volumeMounts[" + strconv.Itoa(i) + "]."
		if !slices.Contains(volumes, m.Name) {
			return sandbox.Errorf(sandbox.CodeVolumeNotFound, "name", m.Name, "container", c.Name, "known", strings.Join(volumes, ", "))
		}
		if !isPath(m.MountPath) || path.Clean(m.MountPath) == "/" {
			return badValue(field+"mountPath", m.MountPath, "not an absolute path without ..")
		}
		if !isRelative(m.SubPath) {
			return badValue(field+"subPath", m.SubPath, "not a relative path without ..")
		}
	}
	if c.WorkingDir != "" && !isPath(c.WorkingDir) {
		return badValue(at+"workingDir", c.WorkingDir, "not an absolute path without ..")
	}
	if _, err := amounts(at+"resources.", c.Resources); err != nil {
		return err
	}
	if err := validateSources(at, c); err != nil {
		return err
	}
	if _, err := grant(c.SecurityContext); err != nil {
		return badValue(at+"securityContext.capabilities", err.Error(), "no such capability on this node")
	}
	return nil
}

func (o *object) validateJoin() error {
	for kind, target := range o.joins() {
		name, ok := strings.CutPrefix(target, "container:")
		if target != "" && target != "host" && (!ok || name == "") {
			return badValue("spec.join."+kind, target, "container:NAME or host")
		}
	}
	return nil
}

// joins gives the join target by its manifest field.
func (o *object) joins() map[string]string {
	return map[string]string{"network": o.Join.Network, "ipc": o.Join.IPC, "pid": o.Join.PID, "uts": o.Join.UTS}
}

// amount is what a container asks for and may use; 0 is none.
type amount struct {
	memory, memoryLimit int64 // bytes
	cpu, cpuLimit       int64 // thousandths of a core
	pidsLimit           int64
	diskLimit           int64 // bytes
}

// amounts reads a container's resources; at names them in errors.
func amounts(at string, r sandbox.Resources) (a amount, err error) {
	for _, f := range []struct {
		from map[string]string
		key  string
		to   *int64
		get  func(sandbox.Quantity) int64
	}{
		{r.Requests, "memory", &a.memory, sandbox.Quantity.Value},
		{r.Limits, "memory", &a.memoryLimit, sandbox.Quantity.Value},
		{r.Requests, "cpu", &a.cpu, sandbox.Quantity.MilliValue},
		{r.Limits, "cpu", &a.cpuLimit, sandbox.Quantity.MilliValue},
		{r.Limits, resourcePIDs, &a.pidsLimit, sandbox.Quantity.Value},
		{r.Limits, resourceDisk, &a.diskLimit, sandbox.Quantity.Value},
	} {
		s, ok := f.from[f.key]
		if !ok {
			continue
		}
		q, err := sandbox.ParseQuantity(s)
		if err != nil {
			return a, badValue(at+f.key, s, err.Error())
		}
		*f.to = f.get(q)
	}
	if a.memoryLimit > 0 && a.memoryLimit < minMemory {
		return a, badValue(at+"limits.memory", r.Limits["memory"], "at least "+strconv.Itoa(minMemory>>20)+"Mi")
	}
	return a, nil
}

// images refuses images that are not on the node where nobody would wait for them: of a plain container, which is made at once or not at all, of
// an ephemeral one, whose asker waits for it, and those that the machine's operator could make. A pod may be there before its images are.
func (o *object) images(store *image.Store) error {
	for _, c := range o.specs() {
		_, err := store.Lookup(c.Image)
		if err != nil && (o.plain() || o.isEphemeral(c) || sandbox.Public(err).Params["buildable"] != "") {
			return err
		}
	}
	return nil
}

func (o *object) isEphemeral(c *sandbox.ContainerSpec) bool {
	return slices.ContainsFunc(o.Spec.EphemeralContainers, func(e sandbox.EphemeralContainer) bool { return e.Name == c.Name })
}

func badValue(field, value, detail string) *sandbox.Error {
	return sandbox.Errorf(sandbox.CodeBadValue, "field", field, "value", value, "detail", detail)
}

// isLabel reports whether s is an RFC 1123 label: 1–63 of [a-z0-9-], with a letter or digit at both ends.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// isPath reports whether s is an absolute path that no join can climb out of.
func isPath(s string) bool {
	return path.IsAbs(s) && len(s) <= 1024 && !strings.ContainsAny(s, "\x00\n") && !slices.Contains(strings.Split(s, "/"), "..")
}
