package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os/exec"

	"podlab/sandbox"
)

// probeProgram asks what TLS or HTTP/2 is needed for: crypto/tls and net/http would cost every container's first stage 0.4 ms each.
const probeProgram = "/opt/podlab/bin/podlab-probe"

// getSecurely is get over TLS.
func getSecurely(ctx context.Context, target *url.URL, headers []sandbox.HTTPHeader) (status int, location string, err error) {
	args := []string{"https", target.String()}
	for _, h := range headers {
		args = append(args, oneLine.Replace(h.Name)+":"+oneLine.Replace(h.Value))
	}
	answer, err := askProgram(ctx, args...)
	if ctx.Err() != nil {
		err = errNoAnswer
	}
	return answer.Status, answer.Location, err
}

// askProgram runs probeProgram until it has an answer or ctx ends.
func askProgram(ctx context.Context, args ...string) (answer sandbox.ProbeAnswer, err error) {
	out, err := exec.CommandContext(ctx, probeProgram, args...).Output()
	if err != nil {
		return answer, fmt.Errorf("%s: %w", probeProgram, err)
	}
	if err := json.Unmarshal(bytes.TrimSpace(out), &answer); err != nil {
		return answer, fmt.Errorf("%s: %w", probeProgram, err)
	}
	if answer.Error != "" {
		err = errors.New(answer.Error)
	}
	return answer, err
}
