package main

import (
	"crypto/tls"
	"net/http"
	"strings"

	"podlab/sandbox"
)

// maxHead is the most that is read of an answer's status line and headers, in bytes.
const maxHead = 16 << 10

// askHTTPS sends one GET, follows no redirect and reads no body. Whose certificate the server shows does not matter, as to a kubelet
// (API reference, HTTPGetAction.scheme).
func askHTTPS(url string, headers []string) (out sandbox.ProbeAnswer, err error) {
	request, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		return out, err
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ":")
		if strings.EqualFold(name, "Host") {
			request.Host = value
		}
		request.Header.Add(name, value)
	}
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a probe asks whether it answers, not who it is
		DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHead,
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return out, err
	}
	_ = answer.Body.Close()
	return sandbox.ProbeAnswer{Status: answer.StatusCode, Location: answer.Header.Get("Location")}, nil
}
