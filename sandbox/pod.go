package sandbox

// The types below are Kubernetes' own (k8s.io/api/core/v1, API reference v1.34) with the same JSON names, holding only the
// fields that Podlab supports. They are lean because the agent is re-executed at every container start. A test in
// sandbox/manifest holds them against k8s.io/api/core/v1.

// Kinds and versions of manifests.
const (
	APIVersionPod       = "v1"
	APIVersionContainer = "podlab/v1"
	ManifestPod         = "Pod"
	ManifestContainer   = "Container"
)

// ObjectMeta is metadata of a Pod or a plain Container.
type ObjectMeta struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace,omitempty"`
	UID               string            `json:"uid,omitempty"`               // set by the agent
	CreationTimestamp string            `json:"creationTimestamp,omitempty"` // set by the agent, RFC 3339
	DeletionTimestamp string            `json:"deletionTimestamp,omitempty"` // set by the agent, RFC 3339
	Labels            map[string]string `json:"labels,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
}

// Pod is v1.Pod.
type Pod struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   ObjectMeta `json:"metadata"`
	Spec       PodSpec    `json:"spec"`
	Status     PodStatus  `json:"status,omitzero"`
}

// PlainContainer is a container outside any pod, for contrast: apiVersion podlab/v1, kind Container.
type PlainContainer struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   ObjectMeta `json:"metadata"`
	Spec       PlainSpec  `json:"spec"`
}

// PlainSpec has a container's fields, the volumes it mounts, and whose namespaces it joins.
type PlainSpec struct {
	ContainerSpec
	Volumes       []VolumeSource `json:"volumes,omitempty"`
	RestartPolicy string         `json:"restartPolicy,omitempty"` // default Never, as docker run
	Join          *Join          `json:"join,omitempty"`
}

// Join names, for each kind of namespace, the container whose namespace is joined: "container:NAME" for a plain container,
// or "host" for the node's own. Empty means a namespace of its own.
type Join struct {
	Network string `json:"network,omitempty"`
	IPC     string `json:"ipc,omitempty"`
	PID     string `json:"pid,omitempty"`
	UTS     string `json:"uts,omitempty"`
}

// PodSpec is v1.PodSpec.
type PodSpec struct {
	Containers                    []ContainerSpec      `json:"containers"`
	InitContainers                []ContainerSpec      `json:"initContainers,omitempty"`      // run one after another before the others; sidecars are among them
	EphemeralContainers           []EphemeralContainer `json:"ephemeralContainers,omitempty"` // added to a living pod; applying a pod without them keeps them
	Volumes                       []VolumeSource       `json:"volumes,omitempty"`
	RestartPolicy                 string               `json:"restartPolicy,omitempty"` // Always (default), OnFailure, Never
	TerminationGracePeriodSeconds *int64               `json:"terminationGracePeriodSeconds,omitempty"`
	ActiveDeadlineSeconds         *int64               `json:"activeDeadlineSeconds,omitempty"`
	ShareProcessNamespace         *bool                `json:"shareProcessNamespace,omitempty"`
	HostNetwork                   bool                 `json:"hostNetwork,omitempty"`
	HostPID                       bool                 `json:"hostPID,omitempty"`
	HostIPC                       bool                 `json:"hostIPC,omitempty"`
	Hostname                      string               `json:"hostname,omitempty"`
	HostAliases                   []HostAlias          `json:"hostAliases,omitempty"`
	DNSPolicy                     string               `json:"dnsPolicy,omitempty"` // None: dnsConfig alone; there is no cluster DNS
	DNSConfig                     *PodDNSConfig        `json:"dnsConfig,omitempty"`
	EnableServiceLinks            *bool                `json:"enableServiceLinks,omitempty"`           // there are no Services: no difference
	AutomountServiceAccountToken  *bool                `json:"automountServiceAccountToken,omitempty"` // false: there are no service accounts
	OS                            *PodOS               `json:"os,omitempty"`
	SecurityContext               *PodSecurityContext  `json:"securityContext,omitempty"`
}

// ContainerSpec is v1.Container.
type ContainerSpec struct {
	Name            string           `json:"name"`
	Image           string           `json:"image"`
	ImagePullPolicy string           `json:"imagePullPolicy,omitempty"` // Always, IfNotPresent (default), Never
	Command         []string         `json:"command,omitempty"`
	Args            []string         `json:"args,omitempty"`
	WorkingDir      string           `json:"workingDir,omitempty"`
	Env             []EnvVar         `json:"env,omitempty"`
	EnvFrom         []EnvFromSource  `json:"envFrom,omitempty"`
	Ports           []ContainerPort  `json:"ports,omitempty"`
	Resources       Resources        `json:"resources,omitzero"`
	VolumeMounts    []VolumeMount    `json:"volumeMounts,omitempty"`
	SecurityContext *SecurityContext `json:"securityContext,omitempty"`
	Stdin           bool             `json:"stdin,omitempty"`
	StdinOnce       bool             `json:"stdinOnce,omitempty"` // standard input ends when its first attachment does; a terminal's never ends
	TTY             bool             `json:"tty,omitempty"`

	RestartPolicy  string     `json:"restartPolicy,omitempty"` // of an init container: Always makes it a sidecar (KEP-753)
	LivenessProbe  *Probe     `json:"livenessProbe,omitempty"`
	ReadinessProbe *Probe     `json:"readinessProbe,omitempty"`
	StartupProbe   *Probe     `json:"startupProbe,omitempty"`
	Lifecycle      *Lifecycle `json:"lifecycle,omitempty"`

	TerminationMessagePath   string `json:"terminationMessagePath,omitempty"`   // default /dev/termination-log
	TerminationMessagePolicy string `json:"terminationMessagePolicy,omitempty"` // File (default), FallbackToLogsOnError
}

// EnvVar is v1.EnvVar; $(NAME) references in Value, command and args are expanded as Kubernetes does.
type EnvVar struct {
	Name      string        `json:"name"`
	Value     string        `json:"value,omitempty"`
	ValueFrom *EnvVarSource `json:"valueFrom,omitempty"`
}

// ContainerPort is v1.ContainerPort: information only, as in Kubernetes; the preview offers these ports first.
type ContainerPort struct {
	Name          string `json:"name,omitempty"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol,omitempty"`
}

// Resources is v1.ResourceRequirements. Keys: cpu, memory, ephemeral-storage; podlab.dev/pids as a limit. Values are quantities (see ParseQuantity).
type Resources struct {
	Limits   map[string]string `json:"limits,omitempty"`
	Requests map[string]string `json:"requests,omitempty"`
}

// VolumeMount is v1.VolumeMount.
type VolumeMount struct {
	Name              string `json:"name"`
	MountPath         string `json:"mountPath"`
	ReadOnly          bool   `json:"readOnly,omitempty"`
	RecursiveReadOnly string `json:"recursiveReadOnly,omitempty"` // Disabled (default), IfPossible, Enabled
	MountPropagation  string `json:"mountPropagation,omitempty"`  // None; the others are refused
	SubPath           string `json:"subPath,omitempty"`           // below the volume, never out of it
	SubPathExpr       string `json:"subPathExpr,omitempty"`       // the same, with $(NAME) of the container's variables
}

// VolumeSource is v1.Volume: a name and exactly one source.
type VolumeSource struct {
	Name        string             `json:"name"`
	EmptyDir    *EmptyDir          `json:"emptyDir,omitempty"`
	HostPath    *HostPath          `json:"hostPath,omitempty"`
	ConfigMap   *ConfigMapVolume   `json:"configMap,omitempty"`
	Secret      *SecretVolume      `json:"secret,omitempty"`
	DownwardAPI *DownwardAPIVolume `json:"downwardAPI,omitempty"`
	Projected   *ProjectedVolume   `json:"projected,omitempty"`
}

// EmptyDir is v1.EmptyDirVolumeSource. Medium: "" (the node's disk) or "Memory" (tmpfs).
type EmptyDir struct {
	Medium    string `json:"medium,omitempty"`
	SizeLimit string `json:"sizeLimit,omitempty"`
}

// HostPath is v1.HostPathVolumeSource. Path is on the learner's node. Type: "", DirectoryOrCreate, Directory, FileOrCreate, File,
// Socket, CharDevice, BlockDevice.
type HostPath struct {
	Path string `json:"path"`
	Type string `json:"type,omitempty"`
}

// SecurityContext is v1.SecurityContext.
type SecurityContext struct {
	Privileged               *bool           `json:"privileged,omitempty"`
	RunAsUser                *int64          `json:"runAsUser,omitempty"`
	RunAsGroup               *int64          `json:"runAsGroup,omitempty"`
	RunAsNonRoot             *bool           `json:"runAsNonRoot,omitempty"`
	ReadOnlyRootFilesystem   *bool           `json:"readOnlyRootFilesystem,omitempty"`
	AllowPrivilegeEscalation *bool           `json:"allowPrivilegeEscalation,omitempty"` // false: nobody on a node can escalate
	ProcMount                string          `json:"procMount,omitempty"`                // Default
	Capabilities             *Capabilities   `json:"capabilities,omitempty"`
	SeccompProfile           *SeccompProfile `json:"seccompProfile,omitempty"`
}

// Capabilities is v1.Capabilities: names without the CAP_ prefix, or ALL.
type Capabilities struct {
	Add  []string `json:"add,omitempty"`
	Drop []string `json:"drop,omitempty"`
}

// PodStatus is v1.PodStatus.
type PodStatus struct {
	Phase             string            `json:"phase,omitempty"` // Pending Running Succeeded Failed Unknown
	Reason            string            `json:"reason,omitempty"`
	Message           string            `json:"message,omitempty"`
	PodIP             string            `json:"podIP,omitempty"`
	HostIP            string            `json:"hostIP,omitempty"`
	StartTime         string            `json:"startTime,omitempty"` // RFC 3339
	Conditions        []PodCondition    `json:"conditions,omitempty"`
	ContainerStatuses []ContainerStatus `json:"containerStatuses,omitempty"`

	InitContainerStatuses      []ContainerStatus `json:"initContainerStatuses,omitempty"`
	EphemeralContainerStatuses []ContainerStatus `json:"ephemeralContainerStatuses,omitempty"`
	QOSClass                   string            `json:"qosClass,omitempty"` // Guaranteed Burstable BestEffort
}

// PodCondition is v1.PodCondition.
type PodCondition struct {
	Type   string `json:"type"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`

	Message            string `json:"message,omitempty"`
	LastTransitionTime string `json:"lastTransitionTime,omitempty"` // of Status, RFC 3339
}

// ContainerStatus is v1.ContainerStatus.
type ContainerStatus struct {
	Name         string         `json:"name"`
	State        ContainerState `json:"state,omitzero"`
	LastState    ContainerState `json:"lastState,omitzero"`
	Ready        bool           `json:"ready"`
	RestartCount int            `json:"restartCount"`
	Image        string         `json:"image"`
	ImageID      string         `json:"imageID"`
	ContainerID  string         `json:"containerID,omitempty"` // podlab://Container.ID
	Started      *bool          `json:"started,omitempty"`
}

// ContainerState is v1.ContainerState: exactly one is set.
type ContainerState struct {
	Waiting    *ContainerWaiting    `json:"waiting,omitempty"`
	Running    *ContainerRunning    `json:"running,omitempty"`
	Terminated *ContainerTerminated `json:"terminated,omitempty"`
}

// ContainerWaiting is v1.ContainerStateWaiting.
type ContainerWaiting struct {
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// ContainerRunning is v1.ContainerStateRunning.
type ContainerRunning struct {
	StartedAt string `json:"startedAt,omitempty"`
}

// ContainerTerminated is v1.ContainerStateTerminated.
type ContainerTerminated struct {
	ExitCode   int    `json:"exitCode"`
	Signal     int    `json:"signal,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
	StartedAt  string `json:"startedAt,omitempty"`
	FinishedAt string `json:"finishedAt,omitempty"`
}
