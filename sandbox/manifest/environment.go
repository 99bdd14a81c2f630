package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"podlab/sandbox"
)

func (d *document) variables(at string, env []sandbox.EnvVar) error {
	for i, v := range env {
		at := fmt.Sprintf("%s.env[%d]", at, i)
		if len(validation.IsEnvVarName(v.Name)) > 0 {
			return d.bad(at+".name", v.Name, WantVariable)
		}
		if strings.Contains(v.Value, "\x00") {
			return d.bad(at+".value", v.Value, WantString)
		}
		if v.ValueFrom == nil {
			continue
		}
		if v.Value != "" {
			return d.bad(at+".valueFrom", v.Name, WantAlone, "want", "value")
		}
		if err := d.valueFrom(at+".valueFrom", v.ValueFrom); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) valueFrom(at string, s *sandbox.EnvVarSource) error {
	if count(s.FieldRef != nil, s.ResourceFieldRef != nil, s.ConfigMapKeyRef != nil, s.SecretKeyRef != nil) != 1 {
		return d.bad(at, "", WantOneRef)
	}
	switch {
	case s.FieldRef != nil:
		return d.fieldRef(at+".fieldRef", s.FieldRef, envFields)
	case s.ResourceFieldRef != nil:
		return d.resourceRef(at+".resourceFieldRef", s.ResourceFieldRef, false)
	case s.ConfigMapKeyRef != nil:
		return d.keyRef(at+".configMapKeyRef", s.ConfigMapKeyRef)
	}
	return d.keyRef(at+".secretKeyRef", s.SecretKeyRef)
}

func (d *document) envFrom(at string, from []sandbox.EnvFromSource) error {
	for i, f := range from {
		at := fmt.Sprintf("%s.envFrom[%d]", at, i)
		if f.Prefix != "" && len(validation.IsEnvVarName(f.Prefix)) > 0 {
			return d.bad(at+".prefix", f.Prefix, WantVariable)
		}
		if (f.ConfigMapRef == nil) == (f.SecretRef == nil) {
			return d.bad(at, "", WantOneRef)
		}
		name, ref := "configMapRef", f.ConfigMapRef
		if ref == nil {
			name, ref = "secretRef", f.SecretRef
		}
		if err := d.dataName(at+"."+name+".name", ref.Name); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) keyRef(at string, ref *sandbox.KeySelector) error {
	if err := d.dataName(at+".name", ref.Name); err != nil {
		return err
	}
	if ref.Key == "" {
		return d.bad(at+".key", "", WantRequired)
	}
	if len(validation.IsConfigMapKey(ref.Key)) > 0 {
		return d.bad(at+".key", ref.Key, WantKey)
	}
	return nil
}

// Fields of a pod that a variable and a file can show (Kubernetes, "Downward API").
var (
	envFields = []string{
		"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
	}
	fileFields = []string{"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations"}
	subscript  = regexp.MustCompile(`^metadata\.(labels|annotations)\['([^']+)'\]$`)
)

func (d *document) fieldRef(at string, ref *sandbox.ObjectFieldSelector, known []string) error {
	if err := d.choice(at+".apiVersion", ref.APIVersion, "v1"); err != nil {
		return err
	}
	if ref.FieldPath == "" {
		return d.bad(at+".fieldPath", "", WantRequired)
	}
	if slices.Contains(known, ref.FieldPath) {
		return nil
	}
	if m := subscript.FindStringSubmatch(ref.FieldPath); m != nil && len(validation.IsQualifiedName(strings.ToLower(m[2]))) == 0 {
		return nil
	}
	return d.bad(at+".fieldPath", ref.FieldPath, WantChoice, "want", strings.Join(known, ", ")+", metadata.labels['KEY'], metadata.annotations['KEY']")
}

// Divisors that Kubernetes takes, by what is divided.
var (
	cpuDivisors   = []string{"0", "1", "1m"}
	bytesDivisors = []string{"0", "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"}
)

// resourceRef: a file has to say whose resources it shows, a variable shows its own container's by default.
func (d *document) resourceRef(at string, ref *sandbox.ResourceFieldSelector, named bool) error {
	if named && ref.ContainerName == "" {
		return d.bad(at+".containerName", "", WantRequired)
	}
	if ref.Resource == "" {
		return d.bad(at+".resource", "", WantRequired)
	}
	err := d.choice(at+".resource", ref.Resource, "limits.cpu", "limits.memory", "limits.ephemeral-storage",
		"requests.cpu", "requests.memory", "requests.ephemeral-storage")
	if err != nil {
		return err
	}
	divisors := bytesDivisors
	if strings.HasSuffix(ref.Resource, ".cpu") {
		divisors = cpuDivisors
	}
	return d.choice(at+".divisor", ref.Divisor, divisors...)
}

func (d *document) dataName(at, name string) error {
	if name == "" {
		return d.bad(at, "", WantRequired)
	}
	return d.subdomain(at, name)
}

func (d *document) subdomain(at, name string) error {
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		return d.bad(at, name, WantName)
	}
	return nil
}
