package observe

import "bytes"

// parseCgroup finds a process's group in /proc/PID/cgroup (cgroups(7)): on v1 the line of the pids or, without it, the memory
// controller, on v2 the line "0::". It is empty when there is none of them.
func parseCgroup(b []byte) string {
	var pids, memory, unified []byte
	for line := range bytes.Lines(b) {
		id, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte{'\n'}), []byte{':'})
		controllers, path, ok := bytes.Cut(rest, []byte{':'})
		if !ok {
			continue
		}
		if string(id) == "0" && len(controllers) == 0 {
			unified = path
		}
		for name := range bytes.SplitSeq(controllers, []byte{','}) {
			switch string(name) {
			case "pids":
				pids = path
			case "memory":
				memory = path
			}
		}
	}
	for _, path := range [][]byte{pids, memory, unified} {
		if path != nil {
			return string(bytes.TrimSuffix(path, []byte(" (deleted)")))
		}
	}
	return ""
}
