package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// checkSizes measures what the unit takes of the node's disk where there is a limit, now and then as the kubelet does, and evicts the
// unit if it is over one. Memory volumes hold to their limits by themselves.
func (u *unit) checkSizes(now time.Time) {
	if now.Before(u.measureAt) || u.record.Finished || u.record.Failure.Reason != "" {
		return
	}
	u.measureAt = time.Time{}
	if u.limited() {
		u.measureAt = now.Add(u.engine.cfg.Measure)
		u.checkVolumes()
		u.checkContainers()
	}
}

// limited reports whether there is anything to measure.
func (u *unit) limited() bool {
	return slices.ContainsFunc(u.all(), func(c *container) bool { return c.diskLimit() > 0 }) ||
		slices.ContainsFunc(u.object.Spec.Volumes, func(v sandbox.VolumeSource) bool {
			return volumeKind(&v) == kindEmptyDir && v.EmptyDir.SizeLimit != ""
		})
}

func (u *unit) checkVolumes() {
	for i := range u.object.Spec.Volumes {
		v := &u.object.Spec.Volumes[i]
		if volumeKind(v) != kindEmptyDir || v.EmptyDir.SizeLimit == "" {
			continue
		}
		limit, err := sandbox.ParseQuantity(v.EmptyDir.SizeLimit)
		if used := diskUse(u.volumePath(v)); err == nil && used > limit.Value() {
			u.evict(fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, v.EmptyDir.SizeLimit),
				"volume", v.Name, "limit", v.EmptyDir.SizeLimit, "used", strconv.FormatInt(used, 10))
			return
		}
	}
}

// checkContainers holds what containers write, their logs included, to limits.ephemeral-storage: each to its own, and the pod with
// its disk volumes to their sum (pkg/kubelet/eviction, containerEphemeralStorageLimitEviction and that of pods).
func (u *unit) checkContainers() {
	var total, limits int64
	for _, c := range u.all() {
		limit := c.diskLimit()
		used := diskUse(filepath.Join(u.dir(), "overlay", c.name())) + diskUse(filepath.Join(u.dir(), "logs", c.name()))
		total, limits = total+used, limits+limit
		if limit > 0 && used > limit {
			text := c.spec.Resources.Limits[resourceDisk]
			u.evict(fmt.Sprintf("Container %s exceeded its local ephemeral storage limit %q. ", c.name(), text),
				"container", c.name(), "limit", text, "used", strconv.FormatInt(used, 10))
			return
		}
	}
	if limits == 0 {
		return
	}
	for i := range u.object.Spec.Volumes {
		if v := &u.object.Spec.Volumes[i]; volumeKind(v) == kindEmptyDir {
			total += diskUse(u.volumePath(v))
		}
	}
	if total > limits {
		u.evict(fmt.Sprintf("Pod ephemeral local storage usage exceeds the total limit of containers %d. ", limits),
			"limit", strconv.FormatInt(limits, 10), "used", strconv.FormatInt(total, 10))
	}
}

// diskLimit is what the container may write to the node's disk, in bytes; 0 for no limit.
func (c *container) diskLimit() int64 {
	if c.spec == nil {
		return 0
	}
	a, _ := amounts("", c.spec.Resources) // validate has refused what is wrong
	return a.diskLimit
}

// evict ends a pod for good, as the kubelet's eviction manager does.
func (u *unit) evict(why string, params ...string) {
	if u.record.Failure.Reason != "" {
		return
	}
	u.emit(sandbox.MomentPod, reasonEvicted, nil, append(params, "message", strings.TrimSpace(why))...)
	u.fail(failure{Reason: reasonEvicted, Message: why}, evictionGrace, "evicted")
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
