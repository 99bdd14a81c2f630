package engine

import (
	"slices"
	"strconv"

	"podlab/sandbox"
)

// targetPID is the first process of the running container of that name.
func (u *unit) targetPID(name string) (int, error) {
	for _, c := range slices.Concat(u.inits, u.apps) {
		if c.spec.Name == name && c.isRunning() {
			return c.run.PID, nil
		}
	}
	return 0, sandbox.Errorf(sandbox.CodeNotRunning, "kind", sandbox.ManifestContainer, "name", name)
}

// newEphemerals checks the ephemeral containers that a changed manifest names (KEP-277): those that are there can neither change nor
// go, new ones are added behind them. A manifest that names none leaves them, as applying one does in Kubernetes.
func (u *unit) newEphemerals(to *object) ([]sandbox.EphemeralContainer, error) {
	old, list := u.object.Spec.EphemeralContainers, to.Spec.EphemeralContainers
	if len(list) == 0 {
		return nil, nil
	}
	if len(list) < len(old) {
		return nil, sandbox.Errorf(sandbox.CodeImmutable, "field", "spec.ephemeralContainers")
	}
	for i := range old {
		at := "spec.ephemeralContainers[" + strconv.Itoa(i) + "]"
		if field := differs(at, old[i].ContainerSpec, list[i].ContainerSpec); field != "" {
			return nil, sandbox.Errorf(sandbox.CodeImmutable, "field", field)
		}
		if old[i].TargetContainerName != list[i].TargetContainerName {
			return nil, sandbox.Errorf(sandbox.CodeImmutable, "field", at+".targetContainerName")
		}
	}
	return list[len(old):], nil
}

// addEphemerals has new ephemeral containers started in the living pod.
func (u *unit) addEphemerals(list []sandbox.EphemeralContainer) {
	if len(list) == 0 {
		return
	}
	spec := &u.object.Spec
	spec.EphemeralContainers = slices.Concat(spec.EphemeralContainers, list) // views hold the old ones
	u.record.Ephemeral = slices.Clone(u.record.Ephemeral)
	for _, c := range list {
		u.record.Ephemeral = append(u.record.Ephemeral, run{Name: c.Name, Image: c.Image, State: waiting, Reason: reasonCreating})
	}
	u.bind()
}
