package labs

import (
	"context"
	"slices"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/manifest"
)

// images notes which images the lab's objects name.
func (r *labReader) images(objects []manifest.Object) {
	for _, o := range objects {
		switch {
		case o.Pod != nil:
			for _, list := range [][]sandbox.ContainerSpec{o.Pod.Spec.InitContainers, o.Pod.Spec.Containers} {
				for i := range list {
					r.image(list[i].Image)
				}
			}
		case o.Container != nil:
			r.image(o.Container.Spec.Image)
		}
	}
}

func (r *labReader) image(name string) {
	if i, found := slices.BinarySearch(r.lab.Images, name); !found {
		r.lab.Images = slices.Insert(r.lab.Images, i, name)
	}
}

// askImages bounds the question which images are absent: a page waits for it.
const askImages = time.Second

// Absent returns the lab's images that the operator could make on this machine and has not; none while the daemon is away.
func (s *Sessions) Absent(ctx context.Context, lab *Lab) []string {
	ctx, cancel := context.WithTimeout(ctx, askImages)
	defer cancel()
	info, err := s.cfg.Nodes.Info(ctx)
	if err != nil {
		s.cfg.Log.Debug("images are not known", "error", err)
		return nil
	}
	var absent []string
	for _, name := range lab.Images {
		if slices.Contains(info.Absent, name) {
			absent = append(absent, name)
		}
	}
	return absent
}
