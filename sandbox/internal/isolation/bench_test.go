package isolation

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runc/libcontainer/seccomp"
	"golang.org/x/sys/unix"

	"podlab/sandbox/internal/filter"
)

// asLoader makes the test program take on the filter and print how many nanoseconds that took: "file" loads the compiled one in
// descriptor 3, "profile" does what libcontainer does with a profile, "docker" for the three architectures that Docker lets in.
const asLoader = "PODLAB_ISOLATION_LOAD"

func TestMain(m *testing.M) {
	how := os.Getenv(asLoader)
	if how == "" {
		os.Exit(m.Run())
	}
	calls, err := allowed()
	if err != nil {
		panic(err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	start := time.Now()
	switch how {
	case "file":
		err = filter.LoadFile(3)
	case "docker":
		calls.Architectures = []string{"amd64", "x86", "x32"}
		fallthrough
	default:
		_, err = seccomp.InitSeccomp(calls)
	}
	if err != nil {
		panic(err)
	}
	fmt.Println(time.Since(start).Nanoseconds())
}

// BenchmarkFilter compares what each start and exec of a container would cost (profile) with what it costs (file). A process can take
// a filter only once, so ns/op is with the process.
func BenchmarkFilter(b *testing.B) {
	file, err := NewFilter()
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for _, how := range []string{"file", "profile", "docker"} {
		b.Run(how, func(b *testing.B) {
			total := 0
			for b.Loop() {
				cmd := exec.Command("/proc/self/exe")
				cmd.Env, cmd.ExtraFiles = []string{asLoader + "=" + how}, []*os.File{file}
				out, err := cmd.Output()
				if err != nil {
					b.Fatal(err)
				}
				took, err := strconv.Atoi(strings.TrimSpace(string(out)))
				if err != nil {
					b.Fatal(err)
				}
				total += took
			}
			b.ReportMetric(float64(total)/float64(b.N)/1e6, "load-ms/op")
		})
	}
}
