package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// healthPath is the method of the gRPC Health Checking Protocol (grpc/grpc, doc/health-checking.md).
const healthPath = "/grpc.health.v1.Health/Check"

// States of a service (health.proto, HealthCheckResponse.ServingStatus).
var servingStatus = []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

const (
	serving       = 1
	unimplemented = "12" // grpc-status (grpc/grpc, doc/statuscodes.md)
	maxReply      = 64   // bytes: a reply is a number
)

// askHealth asks for the health of a service over HTTP/2 without TLS; nil when it is serving. The messages are those of the kubelet.
func askHealth(address, service string) error {
	request, err := http.NewRequest(http.MethodPost, "http://"+address+healthPath, bytes.NewReader(healthRequest(service)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DisableCompression: true, MaxResponseHeaderBytes: maxHead}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("error: failed to connect service at %q: %w", address, err)
	}
	defer answer.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(answer.Body, maxReply))
	if err != nil {
		return fmt.Errorf("error: health rpc probe failed: %w", err)
	}
	return verdict(answer, reply)
}

// verdict reads the state out of an answer. A method that failed has its status in the trailer, or in the header when there is no body.
func verdict(answer *http.Response, reply []byte) error {
	status, detail := answer.Trailer.Get("Grpc-Status"), answer.Trailer.Get("Grpc-Message")
	if status == "" {
		status, detail = answer.Header.Get("Grpc-Status"), answer.Header.Get("Grpc-Message")
	}
	switch {
	case status == unimplemented:
		return fmt.Errorf("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): %s", detail)
	case answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/grpc"):
		return fmt.Errorf("error: health rpc probe failed: HTTP status %d, %q", answer.StatusCode, answer.Header.Get("Content-Type"))
	case status != "" && status != "0":
		return fmt.Errorf("error: health rpc probe failed: code = %s desc = %s", status, detail)
	}
	state, err := healthReply(reply)
	switch {
	case err != nil:
		return fmt.Errorf("error: health rpc probe failed: %w", err)
	case state >= uint64(len(servingStatus)):
		return fmt.Errorf("service unhealthy (responded with %q)", fmt.Sprint(state))
	case state != serving:
		return fmt.Errorf("service unhealthy (responded with %q)", servingStatus[state])
	}
	return nil
}

// healthRequest is a HealthCheckRequest, whose field 1 is the service, behind the five bytes of a gRPC message: 0 for not compressed, and
// the length.
func healthRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = append(binary.AppendUvarint([]byte{1<<3 | 2}, uint64(len(service))), service...)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) //nolint:gosec // it was a word of the command line
	return append(frame, message...)
}

var errReply = errors.New("the reply is no HealthCheckResponse")

// healthReply is field 1 of a HealthCheckResponse, a number that is left out when it is 0.
func healthReply(frame []byte) (uint64, error) {
	if len(frame) < 5 || frame[0] != 0 || binary.BigEndian.Uint32(frame[1:]) != uint32(len(frame)-5) { //nolint:gosec // at most maxReply
		return 0, errReply
	}
	message := frame[5:]
	if len(message) == 0 {
		return 0, nil
	}
	state, n := binary.Uvarint(message[1:])
	if message[0] != 1<<3 || n != len(message)-1 {
		return 0, errReply
	}
	return state, nil
}
