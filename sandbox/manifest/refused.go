package manifest

import (
	"reflect"

	"podlab/sandbox"
)

// Why a field of Kubernetes is refused: parameter "detail" of unsupported_field. The page has words for each under
// "error.unsupported_field.DETAIL".
const (
	WhyScheduler  = "scheduler"
	WhyServices   = "services"
	WhyAccounts   = "accounts"
	WhyStorage    = "storage"
	WhyDevices    = "devices"
	WhyRuntime    = "runtime"
	WhyUserNS     = "userns"
	WhyModule     = "module"
	WhyWindows    = "windows"
	WhyResize     = "resize"
	WhyServer     = "server"
	WhyPulling    = "pulling"
	WhyMounts     = "mounts"
	WhyPrivileges = "privileges"
	WhyProfile    = "profile"
	WhyUnmasked   = "unmasked"
	WhyPlace      = "place"
	WhyPlain      = "plain"
	WhyDead       = "dead"
	WhyGate       = "gate"
	WhyYet        = "yet" // no reason is given for the field
)

// Reasons has the sentence for each detail of unsupported_field, in English.
var Reasons = map[string]string{
	WhyScheduler:  "A pod runs on the node that it is applied to: there is no scheduler, and nothing ranks or gates pods.",
	WhyServices:   "A node has no Services and no cluster domain, so there is no name that this could make.",
	WhyAccounts:   "There are no service accounts and no API server that a token could be shown to.",
	WhyStorage:    "A node has its own disk and memory only: emptyDir, hostPath, configMap, secret, downwardAPI and projected.",
	WhyDevices:    "A node has no devices to give, block devices included.",
	WhyRuntime:    "A node has one container runtime.",
	WhyUserNS:     "All pods of a node share the node's user namespace.",
	WhyModule:     "A node sets no labels or profiles of a security module (SELinux, AppArmor).",
	WhyWindows:    "A node runs Linux.",
	WhyResize:     "Resources stay as they were when the container started, and are given to each container, not to the pod.",
	WhyServer:     "Only an API server sets or reads this.",
	WhyPulling:    "Images are on the node already: nothing is pulled with a credential.",
	WhyMounts:     "A mount made later on one side is not seen on the other: mountPropagation is None.",
	WhyPrivileges: "Every process on a node runs with no_new_privs: set-user-ID programs give nobody anything.",
	WhyProfile:    "There are no profiles on a node: RuntimeDefault or Unconfined.",
	WhyUnmasked:   "What /proc tells of the shared kernel stays masked.",
	WhyPlace:      "A container in this place cannot have it.",
	WhyPlain:      "A container outside a pod is called by its own name, and join says what it shares.",
	WhyDead:       "Kubernetes itself does nothing with it.",
	WhyGate:       "Kubernetes has it behind a feature gate only: it is new, and may change.",
	WhyYet:        "Podlab does not support it.",
}

// refused says why, by Kubernetes' type and the field's JSON name; "*" stands for every other field of the type.
var refused = map[string]string{
	"PodSpec.affinity":                  WhyScheduler,
	"PodSpec.evictionResponders":        WhyServer,
	"PodSpec.hostUsers":                 WhyUserNS,
	"PodSpec.hostnameOverride":          WhyServices,
	"PodSpec.imagePullSecrets":          WhyPulling,
	"PodSpec.nodeName":                  WhyScheduler,
	"PodSpec.nodeSelector":              WhyScheduler,
	"PodSpec.overhead":                  WhyRuntime,
	"PodSpec.preemptionPolicy":          WhyScheduler,
	"PodSpec.priority":                  WhyScheduler,
	"PodSpec.priorityClassName":         WhyScheduler,
	"PodSpec.readinessGates":            WhyServer,
	"PodSpec.resourceClaims":            WhyDevices,
	"PodSpec.resources":                 WhyResize,
	"PodSpec.runtimeClassName":          WhyRuntime,
	"PodSpec.schedulerName":             WhyScheduler,
	"PodSpec.schedulingGates":           WhyScheduler,
	"PodSpec.schedulingGroup":           WhyScheduler,
	"PodSpec.serviceAccount":            WhyAccounts,
	"PodSpec.serviceAccountName":        WhyAccounts,
	"PodSpec.setHostnameAsFQDN":         WhyServices,
	"PodSpec.subdomain":                 WhyServices,
	"PodSpec.tolerations":               WhyScheduler,
	"PodSpec.topologySpreadConstraints": WhyScheduler,

	"Container.resizePolicy":                  WhyResize,
	"Container.restartPolicyRules":            WhyGate,
	"Container.volumeDevices":                 WhyDevices,
	"EphemeralContainer.lifecycle":            WhyPlace,
	"EphemeralContainer.livenessProbe":        WhyPlace,
	"EphemeralContainer.ports":                WhyPlace,
	"EphemeralContainer.readinessProbe":       WhyPlace,
	"EphemeralContainer.resizePolicy":         WhyPlace,
	"EphemeralContainer.resources":            WhyPlace,
	"EphemeralContainer.restartPolicy":        WhyPlace,
	"EphemeralContainer.restartPolicyRules":   WhyPlace,
	"EphemeralContainer.startupProbe":         WhyPlace,
	"EphemeralContainer.volumeDevices":        WhyDevices,
	"Lifecycle.stopSignal":                    WhyGate,
	"LifecycleHandler.tcpSocket":              WhyDead,
	"HTTPGetAction.protocol":                  WhyGate,
	"GRPCAction.mode":                         WhyGate,
	"ConfigMapVolumeSource.defaultUser":       WhyGate,
	"SecretVolumeSource.defaultUser":          WhyGate,
	"DownwardAPIVolumeSource.defaultUser":     WhyGate,
	"ProjectedVolumeSource.defaultUser":       WhyGate,
	"DownwardAPIVolumeFile.user":              WhyGate,
	"KeyToPath.user":                          WhyGate,
	"EmptyDirVolumeSource.mode":               WhyGate,
	"ContainerPort.hostIP":                    WhyServices,
	"ContainerPort.hostPort":                  WhyServices,
	"EnvVarSource.fileKeyRef":                 WhyGate,
	"ResourceRequirements.claims":             WhyDevices,
	"VolumeMount.bindMountOptions":            WhyGate,
	"SecurityContext.appArmorProfile":         WhyModule,
	"SecurityContext.seLinuxOptions":          WhyModule,
	"SecurityContext.windowsOptions":          WhyWindows,
	"SeccompProfile.localhostProfile":         WhyProfile,
	"PodSecurityContext.*":                    WhyModule,
	"PodSecurityContext.windowsOptions":       WhyWindows,
	"VolumeProjection.clusterTrustBundle":     WhyAccounts,
	"VolumeProjection.podCertificate":         WhyAccounts,
	"VolumeProjection.*":                      WhyAccounts,
	"Volume.*":                                WhyStorage,
	"PlainContainer.*":                        WhyPlain,
	"PlainContainer.lifecycle":                WhyPlace,
	"PlainContainer.livenessProbe":            WhyPlace,
	"PlainContainer.readinessProbe":           WhyPlace,
	"PlainContainer.startupProbe":             WhyPlace,
	"PlainContainer.terminationMessagePath":   WhyPlace,
	"PlainContainer.terminationMessagePolicy": WhyPlace,
	"ObjectMeta.*":                            WhyServer,
}

// why says why a field of Kubernetes' type is refused. The specification of a plain container has no type of Kubernetes': its fields
// are a container's, or else of a pod.
func why(known reflect.Type, field string) string {
	owners := []string{known.Name()}
	if known.Name() == "" {
		owners = []string{"Container", plainOwner}
	}
	for _, owner := range owners {
		for _, key := range []string{owner + "." + field, owner + ".*"} {
			if reason, ok := refused[key]; ok {
				return reason
			}
		}
	}
	return WhyYet
}

// plainOwner stands for Kubernetes' type where there is none: in podlab/v1 Container.
const plainOwner = "PlainContainer"

// refuse is unsupported_field for one value of a field that is supported otherwise.
func (d *document) refuse(at, value, why string) error {
	return positioned(sandbox.CodeUnsupportedField, d.nearest(at), "field", at, "value", cut(value, maxExcerpt), "detail", why)
}
