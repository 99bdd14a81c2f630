package labs

import (
	"context"
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/fake"
)

// A lab's images are those of its manifests and containers, and those that it lists; absent are the ones that could be made here.
func TestAbsentImages(t *testing.T) {
	files := demoFiles(t)
	const file = "labs/1.1-demo/lab.yaml"
	files[file] = &fstest.MapFile{Data: append([]byte("images: [tomcat, busybox, git]\n"), files[file].Data...)}
	course, err := Load(files)
	if err != nil {
		t.Fatal(err)
	}
	lab, _ := course.Lab("1.1-demo")
	if want := []string{"busybox", "git", "nginx", "tomcat"}; !reflect.DeepEqual(lab.Images, want) {
		t.Errorf("its images are %v, want %v", lab.Images, want)
	}
	nodes := fake.New()
	nodes.Absent = []string{"mariadb", "tomcat"}
	s, err := Open(t.Context(), Config{Course: course, Nodes: nodes, Store: NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Absent(t.Context(), lab); !reflect.DeepEqual(got, []string{"tomcat"}) {
		t.Errorf("absent are %v", got)
	}
}

// A page does not wait for a daemon that is away.
func TestAbsentImagesUnknown(t *testing.T) {
	s := &Sessions{cfg: Config{Nodes: silent{}}.defaults()}
	began := time.Now()
	if got := s.Absent(t.Context(), &Lab{Images: []string{"tomcat"}}); got != nil || time.Since(began) > 2*askImages {
		t.Errorf("%v after %v", got, time.Since(began))
	}
}

// silent is a daemon that never answers.
type silent struct{ sandbox.Nodes }

func (silent) Info(ctx context.Context) (sandbox.HostInfo, error) {
	<-ctx.Done()
	return sandbox.HostInfo{}, ctx.Err()
}
