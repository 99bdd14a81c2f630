package engine

import (
	"time"

	"podlab/sandbox"
)

// reasonDeadline is the reason of a pod that ran for longer than spec.activeDeadlineSeconds.
const reasonDeadline = "DeadlineExceeded"

// activeDeadline is when the pod is ended, whatever it does (API reference, PodSpec.activeDeadlineSeconds); zero for never.
func (u *unit) activeDeadline() time.Time {
	seconds := u.object.Spec.ActiveDeadlineSeconds
	if seconds == nil || u.record.Finished || u.record.Failure.Reason != "" {
		return time.Time{}
	}
	return u.record.Created.Add(time.Duration(*seconds) * u.engine.cfg.Second)
}

func (u *unit) checkDeadline(now time.Time) {
	if at := u.activeDeadline(); at.IsZero() || now.Before(at) {
		return
	}
	u.emit(sandbox.MomentPod, reasonDeadline, nil)
	u.fail(failure{Reason: reasonDeadline, Message: "Pod was active on the node longer than the specified deadline"},
		time.Duration(u.object.grace())*time.Second, "deadline")
}
