package sandbox

import (
	"encoding/json"
	"strconv"
)

// EphemeralContainer is v1.EphemeralContainer (KEP-277): a container that is added to a living pod to look into it. It is never
// restarted, and has no ports, probes, hooks or resources. TargetContainerName is the container whose process namespace it joins.
type EphemeralContainer struct {
	ContainerSpec
	TargetContainerName string `json:"targetContainerName,omitempty"`
}

// Probe is v1.Probe: exactly one of Exec, HTTPGet, TCPSocket and GRPC. A zero number means Kubernetes' default: period 10 s, timeout 1 s,
// success threshold 1, failure threshold 3.
type Probe struct {
	Exec                          *ExecAction      `json:"exec,omitempty"`
	HTTPGet                       *HTTPGetAction   `json:"httpGet,omitempty"`
	TCPSocket                     *TCPSocketAction `json:"tcpSocket,omitempty"`
	GRPC                          *GRPCAction      `json:"grpc,omitempty"`
	InitialDelaySeconds           int              `json:"initialDelaySeconds,omitempty"`
	TimeoutSeconds                int              `json:"timeoutSeconds,omitempty"`
	PeriodSeconds                 int              `json:"periodSeconds,omitempty"`
	SuccessThreshold              int              `json:"successThreshold,omitempty"`
	FailureThreshold              int              `json:"failureThreshold,omitempty"`
	TerminationGracePeriodSeconds *int64           `json:"terminationGracePeriodSeconds,omitempty"`
}

// Lifecycle is v1.Lifecycle: what is run right after a container's start and before its end.
type Lifecycle struct {
	PostStart *Hook `json:"postStart,omitempty"`
	PreStop   *Hook `json:"preStop,omitempty"`
}

// Hook is v1.LifecycleHandler: exactly one of Exec, HTTPGet and Sleep.
type Hook struct {
	Exec    *ExecAction    `json:"exec,omitempty"`
	HTTPGet *HTTPGetAction `json:"httpGet,omitempty"`
	Sleep   *SleepAction   `json:"sleep,omitempty"`
}

// ExecAction is v1.ExecAction: a command in the container, without a shell. It succeeds with exit code 0.
type ExecAction struct {
	Command []string `json:"command,omitempty"`
}

// HTTPGetAction is v1.HTTPGetAction. It succeeds with a status from 200 to 399. Host is the pod's address by default; Scheme is HTTP (the default) or HTTPS,
// which takes any certificate.
type HTTPGetAction struct {
	Path        string       `json:"path,omitempty"`
	Port        IntOrString  `json:"port"`
	Host        string       `json:"host,omitempty"`
	Scheme      string       `json:"scheme,omitempty"`
	HTTPHeaders []HTTPHeader `json:"httpHeaders,omitempty"`
}

// HTTPHeader is v1.HTTPHeader.
type HTTPHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// TCPSocketAction is v1.TCPSocketAction: it succeeds when a connection can be opened.
type TCPSocketAction struct {
	Port IntOrString `json:"port"`
	Host string      `json:"host,omitempty"`
}

// GRPCAction is v1.GRPCAction (KEP-2727): it succeeds when the server says, by the gRPC Health Checking Protocol, that the service is serving.
type GRPCAction struct {
	Port    int     `json:"port"`
	Service *string `json:"service,omitempty"` // default: the server as a whole
}

// ProbeAnswer is what podlab-probe prints of what a server answered. Error is why there is no answer, or no healthy one.
type ProbeAnswer struct {
	Status   int    `json:"status,omitempty"`   // of HTTP
	Location string `json:"location,omitempty"` // that it redirects to
	Error    string `json:"error,omitempty"`
}

// SleepAction is v1.SleepAction (KEP-3960).
type SleepAction struct {
	Seconds int64 `json:"seconds"`
}

// IntOrString is a port's number, or its name in the container's ports: Kubernetes' intstr.IntOrString as text. In JSON it is a
// number when it is written as one.
type IntOrString string

// UnmarshalJSON takes a number or a string.
func (v *IntOrString) UnmarshalJSON(data []byte) error {
	var number int
	if json.Unmarshal(data, &number) == nil {
		*v = IntOrString(strconv.Itoa(number))
		return nil
	}
	var text string
	err := json.Unmarshal(data, &text)
	*v = IntOrString(text)
	return err
}

// MarshalJSON writes a number as one.
func (v IntOrString) MarshalJSON() ([]byte, error) {
	if number, err := strconv.Atoi(string(v)); err == nil {
		return json.Marshal(number)
	}
	return json.Marshal(string(v))
}
