package observe

import "bytes"

// status is what is needed of /proc/PID/status (proc_pid_status(5)).
type status struct {
	uid    int // effective
	inside int // the last number of NSpid: the pid in the innermost namespace
}

func parseStatus(b []byte) (s status, err error) {
	found := 0
	for line := range bytes.Lines(b) {
		key, value, _ := bytes.Cut(line, []byte{':'})
		words := bytes.Fields(value)
		switch string(key) {
		case "Uid":
			if len(words) > 1 {
				s.uid, found = int(number(words[1])), found+1
			}
		case "NSpid":
			if len(words) > 0 {
				s.inside, found = int(number(words[len(words)-1])), found+1
			}
		}
	}
	if found != 2 {
		return s, errFormat
	}
	return s, nil
}
