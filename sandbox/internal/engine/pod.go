package engine

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"time"

	"podlab/sandbox"
)

// Delays between attempts at making a sandbox: the kubelet's for mounts, shortened at the top.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = time.Minute
)

// ready reports whether containers can be started: a pod needs its infra, a plain container its volumes and files.
func (u *unit) ready() bool {
	if u.infra == nil {
		return u.prepared
	}
	return u.infra.run.State == running
}

// makeReady makes a pod's sandbox, or a new one in place of one that died. As the kubelet does, it first stops what still runs
// in the dead one, and makes none when no container would be started in it. false: not ready yet, or finished.
func (u *unit) makeReady() bool {
	if u.infra != nil && u.infra.run.Attempt > 0 && !u.clearDead() {
		return false
	}
	if time.Now().Before(u.retryAt) {
		return false
	}
	err := u.setUp()
	if err == nil && u.infra != nil {
		err = u.makeSandbox()
	}
	if err != nil {
		u.postpone(err)
		return false
	}
	u.prepared, u.retry, u.retryAt = true, 0, time.Time{}
	if u.infra == nil {
		u.publish()
	}
	return true
}

// clearDead brings the rest of a pod whose infra died to an end; true when a new sandbox is to be made.
func (u *unit) clearDead() bool {
	if u.anyRunning() {
		u.end(time.Duration(u.object.grace())*time.Second, "sandbox")
		u.stopInOrder(time.Now())
		return false
	}
	u.tearDownSandbox()
	u.settle()
	if u.record.Finished {
		u.releaseSandbox()
		return false
	}
	u.record.Ending = ending{}
	u.uninitialize()
	return true
}

// setUp makes what the unit's containers share.
func (u *unit) setUp() error {
	if err := u.setUpVolumes(); err != nil {
		return err
	}
	if err := u.resetShm(); err != nil {
		return err
	}
	if err := u.takeAddress(); err != nil {
		return err
	}
	return u.writeFiles()
}

// resetShm gives a new sandbox a new shared memory.
func (u *unit) resetShm() error {
	if err := u.joinShm(); err != nil {
		return err
	}
	if u.shm() == u.ownShm() {
		u.dropShm()
	}
	return u.setUpShm()
}

// takeAddress takes an address for a unit with a network of its own.
func (u *unit) takeAddress() error {
	if u.object.Spec.HostNetwork || u.object.Join.Network != "" || u.record.Cable != "" {
		return nil
	}
	addr, err := u.engine.pool.Take()
	if err != nil {
		return err
	}
	u.record.Address, u.record.Cable = addr.String(), cableName()
	return nil
}

// cableName names the node's end of a pod's cable, as CNI's bridge plugin does.
func cableName() string {
	var b [4]byte
	rand.Read(b[:]) // never fails: crypto/rand
	return "veth" + hex.EncodeToString(b[:])
}

// tearDownSandbox gives back the network. The address stays in the status, as a pod's does in Kubernetes. The kernel takes some 20 ms to
// remove a cable, so nobody waits for it; its address is free when it is gone.
func (u *unit) tearDownSandbox() {
	cable, address := u.record.Cable, u.record.Address
	if cable == "" {
		return
	}
	u.record.Cable = ""
	u.engine.owners.Go(func() {
		if err := u.engine.bridge.Detach(cable); err != nil {
			u.log.Error("cable not removed", "err", err)
		}
		if addr, err := netip.ParseAddr(address); err == nil {
			u.engine.pool.Release(addr)
		}
		u.engine.notify()
	})
}

// postpone says why the sandbox cannot be made, and when it is tried again.
func (u *unit) postpone(err error) {
	u.retry = min(max(2*u.retry, firstRetry), lastRetry)
	u.retryAt = time.Now().Add(u.retry)
	u.log.Warn("set-up failed", "err", err, "again", u.retry)
	if m, ok := errors.AsType[*mountError](err); ok {
		u.emit(sandbox.MomentMount, "FailedMount", nil, "volume", m.volume, "path", m.path, "type", m.kind, "detail", m.detail)
	} else {
		u.emit(sandbox.MomentPod, "FailedCreatePodSandBox", nil, "detail", err.Error())
	}
	for _, c := range u.members() {
		if c.run.State == waiting {
			c.run.Message = err.Error()
		}
	}
	u.publish()
}
