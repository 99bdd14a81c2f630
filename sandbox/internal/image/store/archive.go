package store

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"podlab/sandbox/internal/image"
	"podlab/sandbox/internal/image/jail"
)

// maxArchive bounds what is imported or pulled at a time, in bytes, as it comes.
const maxArchive = 8 << 30

// maxImages bounds the images of one archive.
const maxImages = 64

// layoutVersion is the file oci-layout of a layout.
const layoutVersion = `{"imageLayoutVersion": "1.0.0"}`

// Fetched is an image that lies as blobs in an OCI layout: a name, or none, and the digest of its manifest.
type Fetched struct {
	Name     string `json:"name"`
	Manifest string `json:"manifest"`
}

// Import adds the images of an archive: what docker save writes, or a tar of an OCI image layout. as names the image where the archive
// does not, or otherwise than it does; it must then hold just one.
func (s *Store) Import(ctx context.Context, archive *os.File, as string) ([]image.Image, error) {
	if as != "" {
		if _, err := name.ParseReference(as); err != nil {
			return nil, err
		}
	}
	stage, err := s.stage()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(stage)
	if archive, err = seekable(archive, stage); err != nil {
		return nil, err
	}
	defer archive.Close()
	into := filepath.Join(stage, ociDir)
	if err := os.Mkdir(into, 0o700); err != nil {
		return nil, err
	}
	var got []Fetched
	if s.jailed {
		err = jail.Run(ctx, jail.Job{Task: taskImport, Dir: into, Stdin: archive}, &got)
	} else {
		got, err = fetchArchive(ctx, archive, into)
	}
	if err != nil {
		return nil, err
	}
	if as != "" {
		if len(got) != 1 {
			return nil, fmt.Errorf("the archive holds %d images: they cannot all be called %s", len(got), as)
		}
		got[0].Name = as
	}
	return s.install(ctx, stage, got, "imported")
}

// seekable returns the archive as a file that can be read more than once, and is closed by its reader.
func seekable(archive *os.File, stage string) (*os.File, error) {
	st, err := archive.Stat()
	if err != nil {
		return nil, err
	}
	if st.Mode().IsRegular() {
		return os.Open(archive.Name())
	}
	copied, err := os.Create(filepath.Join(stage, "archive"))
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(copied, io.LimitReader(archive, maxArchive+1))
	if err == nil && n > maxArchive {
		err = fmt.Errorf("the archive is over %d bytes", int64(maxArchive))
	}
	if err != nil {
		return nil, errors.Join(err, copied.Close())
	}
	_, err = copied.Seek(0, io.SeekStart)
	return copied, err
}

// fetchArchive brings an archive's images into an OCI layout at dir.
func fetchArchive(ctx context.Context, archive *os.File, dir string) ([]Fetched, error) {
	st, err := archive.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() > maxArchive {
		return nil, fmt.Errorf("the archive is over %d bytes", int64(maxArchive))
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(archive, 0, st.Size())), nil }
	saved, err := tarball.LoadManifest(open)
	if err == nil {
		return fetchSaved(open, saved, dir)
	}
	got, ociErr := fetchLayout(ctx, io.NewSectionReader(archive, 0, st.Size()), dir)
	if errors.Is(ociErr, errNoLayout) {
		return nil, fmt.Errorf("this is no archive of images, neither docker's (%w) nor OCI's", err)
	}
	return got, ociErr
}

// fetchSaved is for what docker save wrote.
func fetchSaved(open tarball.Opener, saved tarball.Manifest, dir string) ([]Fetched, error) {
	if len(saved) > maxImages {
		return nil, fmt.Errorf("the archive holds over %d images", maxImages)
	}
	to, err := emptyLayout(dir)
	if err != nil {
		return nil, err
	}
	var got []Fetched
	for _, one := range saved {
		if len(one.RepoTags) == 0 && len(saved) > 1 {
			return nil, errors.New("one of the archive's images has no name")
		}
		tags := one.RepoTags
		if len(tags) == 0 {
			tags = []string{""}
		}
		if len(tags) > maxImages {
			return nil, errors.New("an image has too many names")
		}
		var tag *name.Tag
		if tags[0] != "" {
			parsed, err := name.NewTag(tags[0])
			if err != nil {
				return nil, err
			}
			tag = &parsed
		}
		img, err := tarball.Image(open, tag)
		if err != nil {
			return nil, err
		}
		manifest, err := addImage(to, img)
		if err != nil {
			return nil, err
		}
		for _, t := range tags {
			got = append(got, Fetched{t, manifest})
		}
	}
	return got, nil
}

func emptyLayout(dir string) (layout.Path, error) {
	return layout.Path(dir), errors.Join(os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755),
		os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(layoutVersion), 0o644))
}

// addImage writes an image's blobs and returns its manifest's digest.
func addImage(to layout.Path, img v1.Image) (string, error) {
	if err := to.WriteImage(img); err != nil {
		return "", err
	}
	digest, err := img.Digest()
	return digest.String(), err
}

var (
	errNoLayout = errors.New("no OCI image layout")
	blobPath    = regexp.MustCompile(`^blobs/sha256/[0-9a-f]{64}$`)
)

// fetchLayout takes the files of a layout out of a tar of one.
func fetchLayout(ctx context.Context, archive io.Reader, dir string) ([]Fetched, error) {
	if _, err := emptyLayout(dir); err != nil {
		return nil, err
	}
	found := false
	for r, files := tar.NewReader(archive), 0; ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoLayout, err)
		}
		entry := strings.TrimPrefix(h.Name, "./")
		if h.Typeflag != tar.TypeReg || entry != "index.json" && !blobPath.MatchString(entry) {
			continue
		}
		if files++; files > 10_000 || ctx.Err() != nil {
			return nil, errors.New("too many blobs")
		}
		found = found || entry == "index.json"
		if err := writeNew(filepath.Join(dir, entry), r); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, errNoLayout
	}
	return namesOf(layout.Path(dir))
}

func writeNew(file string, from io.Reader) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// namesOf lists the images of a layout, for this machine's architecture where one is there for several.
func namesOf(from layout.Path) ([]Fetched, error) {
	index, err := from.ImageIndex()
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) > maxImages {
		return nil, fmt.Errorf("the archive holds over %d images", maxImages)
	}
	var got []Fetched
	for _, d := range manifest.Manifests {
		called := d.Annotations["io.containerd.image.name"]
		if called == "" {
			called = d.Annotations["org.opencontainers.image.ref.name"]
		}
		digest := d.Digest
		if d.MediaType.IsIndex() {
			several, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			if digest, err = ofThisMachine(several); err != nil {
				return nil, err
			}
		}
		got = append(got, Fetched{called, digest.String()})
	}
	return got, nil
}

func ofThisMachine(several v1.ImageIndex) (v1.Hash, error) {
	manifest, err := several.IndexManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	for _, d := range manifest.Manifests {
		if d.MediaType.IsImage() && d.Platform != nil && d.Platform.OS == "linux" && d.Platform.Architecture == thisArch {
			return d.Digest, nil
		}
	}
	return v1.Hash{}, fmt.Errorf("the image is not for linux/%s", thisArch)
}
