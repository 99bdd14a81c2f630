package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"

	"podlab/sandbox"
)

// table is rows of cells, the first row being the head.
type table [][]string

// write prints the table with columns three spaces apart, as kubectl does.
func (t table) write(w io.Writer) error { return t.writeIn(w, make([]int, len(t[0]))) }

// writeIn makes columns at least as wide as widths, and widens those: rows that come later stand below.
func (t table) writeIn(w io.Writer, widths []int) error {
	for _, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+3))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ageColumn is where podRow has the age.
const ageColumn = 4

// podTable has kubectl get pods' columns.
func podTable(pods []sandbox.Pod, s sandbox.Snapshot, wide bool) table {
	head := []string{"NAME", "READY", "STATUS", "RESTARTS", "AGE"}
	if wide {
		head = append(head, "IP", "NODE")
	}
	t := table{head}
	for _, pod := range pods {
		t = append(t, podRow(pod, s, wide))
	}
	return t
}

func podRow(pod sandbox.Pod, s sandbox.Snapshot, wide bool) []string {
	c := pod.Columns()
	row := []string{
		pod.Metadata.Name, fmt.Sprintf("%d/%d", c.Ready, c.Of), c.Status, strconv.Itoa(c.Restarts),
		age(pod.Metadata.CreationTimestamp, time.Now()),
	}
	if wide {
		row = append(row, orNone(pod.Status.PodIP), s.Node.Hostname)
	}
	return row
}

func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

// age is how long ago a time was, in kubectl's short form.
func age(since string, now time.Time) string {
	t, err := time.Parse(time.RFC3339, since)
	if err != nil {
		return "<unknown>"
	}
	return short(now.Sub(t))
}

func short(d time.Duration) string { return duration.HumanDuration(max(d, 0)) }

// containerTable has docker ps' columns; SHARES stands for what a plain container is here for.
func containerTable(containers []sandbox.Container, s sandbox.Snapshot) table {
	t := table{{"NAME", "IMAGE", "STATUS", "PID", "NET", "IPC", "UTS"}}
	for _, c := range containers {
		status, pid := "Up "+short(time.Duration(s.Time-c.Started)*time.Microsecond), strconv.Itoa(c.PID)
		switch c.State {
		case sandbox.StateExited:
			status, pid = fmt.Sprintf("Exited (%d)", c.ExitCode), "-"
		case sandbox.StateWaiting:
			status, pid = "Waiting "+c.Reason, "-"
		}
		t = append(t, []string{c.Name, c.Image, strings.TrimSpace(status), pid, inode(c.NS.Net), inode(c.NS.IPC), inode(c.NS.UTS)})
	}
	return t
}

func inode(n uint64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatUint(n, 10)
}
