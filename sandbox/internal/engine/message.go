package engine

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"podlab/sandbox"
)

// A container's last words (API reference, Container.terminationMessagePath and .terminationMessagePolicy).
const (
	messagePath   = "/dev/termination-log" // default
	fallbackToLog = "FallbackToLogsOnError"

	maxMessage   = 4 << 10 // bytes of the file that are read
	maxLogWords  = 2 << 10 // bytes of the log's end that stand in for it
	maxLogWordsN = 80      // lines of it
)

// messageFile is the file on the node that the container sees at its terminationMessagePath.
func (c *container) messageFile() string {
	return filepath.Join(c.unit.dir(), "messages", c.name())
}

// messageMount makes an empty file for the present run, and shows it to the container.
func (c *container) messageMount() (*configs.Mount, error) {
	file := c.messageFile()
	if err := os.MkdirAll(filepath.Dir(file), 0o711); err != nil {
		return nil, err
	}
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at := c.spec.TerminationMessagePath
	if at == "" {
		at = messagePath
	}
	return bind(file, at, 0), f.Chmod(0o666) // whoever the container runs as may write, whatever the agent's umask
}

// lastWords is what the run that has just ended left to say, "" for nothing.
func (c *container) lastWords() string {
	if c.spec == nil || c.kind == sandbox.KindPlain {
		return ""
	}
	if text := readWords(c.messageFile()); text != "" || c.run.Code == 0 || c.spec.TerminationMessagePolicy != fallbackToLog {
		return text
	}
	var out bytes.Buffer
	if err := readLog(context.Background(), c.unit.logPath(c.name(), c.run.Attempt), sandbox.LogOptions{Tail: maxLogWordsN}, &out, nil); err != nil {
		return ""
	}
	text := out.Bytes()
	return strings.ToValidUTF8(string(text[max(0, len(text)-maxLogWords):]), "\uFFFD")
}

// readWords reads the start of a file that is within a learner's reach: no link is followed, no fifo waited for.
func readWords(name string) string {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, maxMessage)) // what cannot be read was not said
	return strings.ToValidUTF8(string(text), "\uFFFD")
}
