package sandbox

// What a pod is configured with, as k8s.io/api/core/v1 has it: ConfigMaps and Secrets, where environment variables and files come
// from, names, and the security context of a pod. See the comment at the top of pod.go.

// Kinds of objects that hold data for pods. Their apiVersion is v1.
const (
	ManifestConfigMap = "ConfigMap"
	ManifestSecret    = "Secret"
)

// ConfigMap is v1.ConfigMap. Values of BinaryData are base64, as in JSON.
type ConfigMap struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   ObjectMeta        `json:"metadata"`
	Data       map[string]string `json:"data,omitempty"`
	BinaryData map[string]string `json:"binaryData,omitempty"`
	Immutable  *bool             `json:"immutable,omitempty"`
}

// Secret is v1.Secret. Values of Data are base64, as in JSON; StringData is plain text that is put over Data when it is applied.
type Secret struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   ObjectMeta        `json:"metadata"`
	Data       map[string]string `json:"data,omitempty"`
	StringData map[string]string `json:"stringData,omitempty"`
	Type       string            `json:"type,omitempty"` // default Opaque; any name is taken, none is interpreted
	Immutable  *bool             `json:"immutable,omitempty"`
}

// EnvVarSource is v1.EnvVarSource: exactly one is set.
type EnvVarSource struct {
	FieldRef         *ObjectFieldSelector   `json:"fieldRef,omitempty"`
	ResourceFieldRef *ResourceFieldSelector `json:"resourceFieldRef,omitempty"`
	ConfigMapKeyRef  *KeySelector           `json:"configMapKeyRef,omitempty"`
	SecretKeyRef     *KeySelector           `json:"secretKeyRef,omitempty"`
}

// ObjectFieldSelector is v1.ObjectFieldSelector: metadata.name, metadata.labels['KEY'], status.podIP …
type ObjectFieldSelector struct {
	APIVersion string `json:"apiVersion,omitempty"` // v1
	FieldPath  string `json:"fieldPath"`
}

// ResourceFieldSelector is v1.ResourceFieldSelector. Resource: limits.cpu, limits.memory, limits.ephemeral-storage, requests.….
type ResourceFieldSelector struct {
	ContainerName string `json:"containerName,omitempty"`
	Resource      string `json:"resource"`
	Divisor       string `json:"divisor,omitempty"` // a quantity, default 1
}

// KeySelector is v1.ConfigMapKeySelector and v1.SecretKeySelector.
type KeySelector struct {
	Name     string `json:"name"`
	Key      string `json:"key"`
	Optional *bool  `json:"optional,omitempty"`
}

// EnvFromSource is v1.EnvFromSource: every key of one ConfigMap or Secret.
type EnvFromSource struct {
	Prefix       string        `json:"prefix,omitempty"`
	ConfigMapRef *OptionalName `json:"configMapRef,omitempty"`
	SecretRef    *OptionalName `json:"secretRef,omitempty"`
}

// OptionalName is v1.ConfigMapEnvSource and v1.SecretEnvSource.
type OptionalName struct {
	Name     string `json:"name"`
	Optional *bool  `json:"optional,omitempty"`
}

// ConfigMapVolume is v1.ConfigMapVolumeSource.
type ConfigMapVolume struct {
	Name        string      `json:"name"`
	Items       []KeyToPath `json:"items,omitempty"`
	DefaultMode *int64      `json:"defaultMode,omitempty"`
	Optional    *bool       `json:"optional,omitempty"`
}

// SecretVolume is v1.SecretVolumeSource.
type SecretVolume struct {
	SecretName  string      `json:"secretName"`
	Items       []KeyToPath `json:"items,omitempty"`
	DefaultMode *int64      `json:"defaultMode,omitempty"`
	Optional    *bool       `json:"optional,omitempty"`
}

// KeyToPath is v1.KeyToPath. Path is relative to the volume.
type KeyToPath struct {
	Key  string `json:"key"`
	Path string `json:"path"`
	Mode *int64 `json:"mode,omitempty"`
}

// DownwardAPIVolume is v1.DownwardAPIVolumeSource.
type DownwardAPIVolume struct {
	Items       []DownwardAPIFile `json:"items,omitempty"`
	DefaultMode *int64            `json:"defaultMode,omitempty"`
}

// DownwardAPIFile is v1.DownwardAPIVolumeFile.
type DownwardAPIFile struct {
	Path             string                 `json:"path"`
	FieldRef         *ObjectFieldSelector   `json:"fieldRef,omitempty"`
	ResourceFieldRef *ResourceFieldSelector `json:"resourceFieldRef,omitempty"`
	Mode             *int64                 `json:"mode,omitempty"`
}

// ProjectedVolume is v1.ProjectedVolumeSource: several sources in one directory.
type ProjectedVolume struct {
	Sources     []Projection `json:"sources"`
	DefaultMode *int64       `json:"defaultMode,omitempty"`
}

// Projection is v1.VolumeProjection: exactly one is set.
type Projection struct {
	ConfigMap   *KeyProjection         `json:"configMap,omitempty"`
	Secret      *KeyProjection         `json:"secret,omitempty"`
	DownwardAPI *DownwardAPIProjection `json:"downwardAPI,omitempty"`
}

// KeyProjection is v1.ConfigMapProjection and v1.SecretProjection.
type KeyProjection struct {
	Name     string      `json:"name"`
	Items    []KeyToPath `json:"items,omitempty"`
	Optional *bool       `json:"optional,omitempty"`
}

// DownwardAPIProjection is v1.DownwardAPIProjection.
type DownwardAPIProjection struct {
	Items []DownwardAPIFile `json:"items,omitempty"`
}

// HostAlias is v1.HostAlias: a line of /etc/hosts.
type HostAlias struct {
	IP        string   `json:"ip"`
	Hostnames []string `json:"hostnames,omitempty"`
}

// PodDNSConfig is v1.PodDNSConfig: what /etc/resolv.conf says.
type PodDNSConfig struct {
	Nameservers []string    `json:"nameservers,omitempty"`
	Searches    []string    `json:"searches,omitempty"`
	Options     []DNSOption `json:"options,omitempty"`
}

// DNSOption is v1.PodDNSConfigOption.
type DNSOption struct {
	Name  string  `json:"name"`
	Value *string `json:"value,omitempty"`
}

// PodOS is v1.PodOS: linux.
type PodOS struct {
	Name string `json:"name"`
}

// PodSecurityContext is v1.PodSecurityContext.
type PodSecurityContext struct {
	RunAsUser                *int64          `json:"runAsUser,omitempty"`
	RunAsGroup               *int64          `json:"runAsGroup,omitempty"`
	RunAsNonRoot             *bool           `json:"runAsNonRoot,omitempty"`
	SupplementalGroups       []int64         `json:"supplementalGroups,omitempty"`
	SupplementalGroupsPolicy string          `json:"supplementalGroupsPolicy,omitempty"` // Merge (default) or Strict
	FSGroup                  *int64          `json:"fsGroup,omitempty"`
	FSGroupChangePolicy      string          `json:"fsGroupChangePolicy,omitempty"` // no volume that it governs exists here
	Sysctls                  []Sysctl        `json:"sysctls,omitempty"`
	SeccompProfile           *SeccompProfile `json:"seccompProfile,omitempty"`
}

// Sysctl is v1.Sysctl: one of Kubernetes' safe set.
type Sysctl struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// SeccompProfile is v1.SeccompProfile. Type: RuntimeDefault, which is the default here, or Unconfined, which leaves the node's own
// filter. Localhost is refused.
type SeccompProfile struct {
	Type string `json:"type"`
}
