package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"podlab/sandbox"
)

// reasonEvicted is the reason of a pod that was ended for what it took of the node's disk.
const reasonEvicted = "Evicted"

// evictionGrace is the kubelet's grace period of a pod that exceeds a volume's limit.
const evictionGrace = time.Second

// maxMeasured bounds the entries that are looked at in one volume.
const maxMeasured = 50_000

// checkSizes measures the unit's disk volumes that have a limit, now and then as the kubelet does, and evicts the unit if one is
// over it. Memory volumes hold to their limits by themselves.
func (u *unit) checkSizes(now time.Time) {
	if now.Before(u.measureAt) || u.record.Finished || u.record.Failure.Reason != "" {
		return
	}
	u.measureAt = time.Time{}
	for i := range u.object.Spec.Volumes {
		v := &u.object.Spec.Volumes[i]
		if volumeKind(v) != kindEmptyDir || v.EmptyDir.SizeLimit == "" {
			continue
		}
		u.measureAt = now.Add(u.engine.cfg.Measure)
		limit, err := sandbox.ParseQuantity(v.EmptyDir.SizeLimit)
		if used := diskUse(u.volumePath(v)); err == nil && used > limit.Value() {
			u.evict(v, used)
			return
		}
	}
}

// evict ends a pod for good, as the kubelet's eviction manager does.
func (u *unit) evict(v *sandbox.VolumeSource, used int64) {
	message := fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, v.EmptyDir.SizeLimit)
	u.emit(sandbox.MomentPod, reasonEvicted, nil, "volume", v.Name, "limit", v.EmptyDir.SizeLimit, "used", strconv.FormatInt(used, 10))
	u.fail(failure{Reason: reasonEvicted, Message: message}, evictionGrace, "evicted")
}

// fail ends a pod for good: none of its containers is started again.
func (u *unit) fail(why failure, grace time.Duration, word string) {
	u.record.Failure = why
	u.end(grace, word)
	u.settle()
	u.publish()
}

// errEnough ends a walk that has seen enough.
var errEnough = errors.New("enough")

// diskUse is how many bytes the files below dir take of the disk. It follows no links.
func diskUse(dir string) (bytes int64) {
	entries := 0
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { // what vanishes meanwhile takes nothing
		if entries++; entries > maxMeasured {
			return errEnough
		}
		if err == nil {
			bytes += blocks(d)
		}
		return nil
	})
	return bytes
}

// blocks is what one entry takes, in bytes.
func blocks(d fs.DirEntry) int64 {
	info, err := d.Info()
	if err != nil {
		return 0
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}
