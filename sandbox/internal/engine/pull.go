package engine

import (
	"fmt"
	"regexp"
	"sync"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/internal/image"
)

// Reasons of a container whose image is not on the node (pkg/kubelet/images/types.go).
const (
	reasonPull        = "ErrImagePull"
	reasonPullBackOff = "ImagePullBackOff"
	reasonNeverPull   = "ErrImageNeverPull"
	reasonImageName   = "InvalidImageName"
)

// Values of Container.imagePullPolicy. Where there is none, IfNotPresent is meant, of whatever tag: an image is on the node, or nowhere.
const (
	pullAlways = "Always"
	pullNever  = "Never"
)

// maxImage bounds the name of an image, in bytes.
const maxImage = 512

// imageName is the grammar of a reference: repository, tag and digest (distribution/reference). It is compiled when a name has no image: done in
// each first stage, whose program this is, too, it would be 0.4 ms and half of the pages that one touches.
var imageName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?/)?[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*` +
		`(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`)
})

// A pullError says that a container's image is not on the node. It is tried again and again, and counts as no restart.
type pullError struct {
	reason string
	text   string
}

func (e *pullError) Error() string { return e.text }

// pulls is the back-off of one container's image, as EnsureImageExists of pkg/kubelet/images/image_manager.go has it. An agent that starts again
// begins anew, as a kubelet does.
type pulls struct {
	image string        // that is meant: another begins anew
	delay time.Duration // after the next failure; 0 before the first
	next  time.Time     // when the image is pulled again
}

// lookup finds the container's image on the node. To pull an image is to look whether it has come: into the images of the machine, or those that
// were made or pulled on the node itself.
func (c *container) lookup(told *telling) (image.Image, error) {
	name, images := c.imageName(), c.unit.engine.cfg.Images
	if c.spec == nil {
		img, err := images.Lookup(name)
		if err == nil {
			told.say("Pulled", "image", name)
		}
		return img, err
	}
	img, err := images.Lookup(name)
	if err != nil && !imageName().MatchString(name) {
		text := fmt.Sprintf("Failed to apply default image tag %[1]q: couldn't parse image name %[1]q: invalid reference format", name)
		return image.Image{}, &pullError{reasonImageName, text}
	}
	inBackOff := c.pulls.image == name && time.Now().Before(c.pulls.next)
	switch {
	case inBackOff && c.spec.ImagePullPolicy == pullAlways:
		return img, &pullError{reasonPullBackOff, fmt.Sprintf("Back-off pulling image %q", name)}
	case err == nil:
		told.say("Pulled", "image", name)
		return img, nil
	case c.spec.ImagePullPolicy == pullNever:
		return img, &pullError{reasonNeverPull, fmt.Sprintf("Container image %q is not present with pull policy of Never", name)}
	case inBackOff:
		return img, &pullError{reasonPullBackOff, fmt.Sprintf("Back-off pulling image %q: %s: %s", name, reasonPull, notHere(err))}
	}
	told.say("Pulling", "image", name)
	return img, &pullError{reasonPull, notHere(err)}
}

// notHere says which images there are.
func notHere(err error) string {
	e := sandbox.Public(err)
	if e.Code != sandbox.CodeUnknownImage {
		return e.Error()
	}
	return "not found on this node, which has: " + e.Params["known"]
}

// notPulled takes note of a container whose image is not on the node, as pkg/kubelet/images/image_manager.go does: each failure waits twice as
// long, up to five minutes. The kubelet looks whether the image has come by itself with each sync of the pod; here that is twice in the first
// back-off's time.
func (c *container) notPulled(err *pullError) {
	r, first := c.run, c.unit.engine.cfg.BackOff
	now := time.Now()
	r.Attempt-- // it was none
	again := r.State == waiting && r.Reason == err.reason && r.Message == err.text
	r.State, r.Reason, r.Message, r.PID, r.Image = waiting, err.reason, err.text, 0, c.spec.Image
	c.due = now.Add(first / 2)
	if err.reason == reasonPull {
		if c.pulls.image != c.spec.Image {
			c.pulls = pulls{image: c.spec.Image}
		}
		c.pulls.delay = min(max(first, 2*c.pulls.delay), 30*first)
		c.pulls.next = now.Add(c.pulls.delay)
	} else if again {
		return // said before
	}
	c.unit.log.Warn("container has no image", "container", c.id(), "reason", err.reason, "err", err)
	c.unit.emit(sandbox.MomentContainer, err.reason, c, "image", c.spec.Image, "detail", err.text)
	c.unit.emit(sandbox.MomentContainer, "Failed", c, "detail", err.reason)
}
