package engine

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"podlab/sandbox"
)

// Bounds of an HTTP probe.
const (
	maxRedirects = 10       // as net/http's
	maxHead      = 16 << 10 // bytes of an answer's status line and headers
)

// agentName is what a kubelet of this version calls itself to the servers it probes.
const agentName = "kube-probe/1.34"

// errNoAnswer is net/http's error of a request whose time is over.
var errNoAnswer = errors.New("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")

// errNoHTTP is an answer that is not HTTP.
var errNoHTTP = errors.New("malformed HTTP response")

// checkHTTP is an httpGet probe (API reference, HTTPGetAction): success is a status from 200 to 399. A redirect to another host is not
// followed: it counts as a success with a warning.
func (c *container) checkHTTP(ctx context.Context, g *sandbox.HTTPGetAction) (found verdict, detail string, warning bool) {
	status, elsewhere, err := c.httpGet(ctx, g)
	switch {
	case err != nil:
		return failed, err.Error(), false
	case elsewhere:
		return success, "Probe terminated redirects", true
	case status < 200 || status >= 400:
		return failed, "HTTP probe failed with statuscode: " + strconv.Itoa(status), false
	}
	return success, "", false
}

// checkGRPC is a grpc probe (KEP-2727).
func (c *container) checkGRPC(ctx context.Context, g *sandbox.GRPCAction) (verdict, string) {
	service := ""
	if g.Service != nil {
		service = *g.Service
	}
	address := net.JoinHostPort(c.unit.view.Load().pod.Status.PodIP, strconv.Itoa(g.Port))
	switch _, err := askProgram(ctx, "grpc", address, service); {
	case ctx.Err() != nil:
		return failed, fmt.Sprintf("timeout: failed to connect service %q: %v", address, ctx.Err())
	case err != nil:
		return failed, err.Error()
	}
	return success, ""
}

func (c *container) checkTCP(ctx context.Context, t *sandbox.TCPSocketAction) (verdict, string) {
	address, err := c.endpoint(t.Host, t.Port)
	if err != nil {
		return unclear, err.Error()
	}
	conn, err := dialProbe(ctx, address)
	if err != nil {
		return failed, err.Error()
	}
	conn.Close()
	return success, ""
}

// endpoint is where a probe connects to: the pod's own address unless it names a host; the port by number or by its name.
func (c *container) endpoint(host string, port sandbox.IntOrString) (string, error) {
	if host == "" {
		v := c.unit.view.Load()
		host = v.pod.Status.PodIP
	}
	if _, err := strconv.Atoi(string(port)); err == nil {
		return net.JoinHostPort(host, string(port)), nil
	}
	for _, p := range c.spec.Ports {
		if p.Name == string(port) {
			return net.JoinHostPort(host, strconv.Itoa(p.ContainerPort)), nil
		}
	}
	return "", fmt.Errorf("couldn't find port: %q", port)
}

// dialProbe connects. What is left of the connection is given up a second after it is closed, so that frequent probes leave no long
// queue of them (kubelet: ProbeDialer).
func dialProbe(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, "tcp", address)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(1) // seconds; a wish
	}
	return conn, err
}

// httpGet asks and follows redirects on the same host. elsewhere: the last one led to another.
func (c *container) httpGet(ctx context.Context, g *sandbox.HTTPGetAction) (status int, elsewhere bool, err error) {
	address, err := c.endpoint(g.Host, g.Port)
	if err != nil {
		return 0, false, err
	}
	path := g.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	scheme := "http"
	if g.Scheme == "HTTPS" {
		scheme = "https"
	}
	target, err := url.Parse(scheme + "://" + address + path)
	if err != nil {
		return 0, false, err
	}
	for range maxRedirects {
		status, location, err := get(ctx, target, g.HTTPHeaders)
		if err != nil {
			return 0, false, fmt.Errorf("Get %q: %w", target, err)
		}
		if location == "" || status < 300 || status >= 400 {
			return status, false, nil
		}
		next, err := target.Parse(location)
		if err != nil {
			return 0, false, err
		}
		if next.Hostname() != target.Hostname() || next.Scheme != "http" && next.Scheme != "https" {
			return status, true, nil
		}
		target = next
	}
	return 0, false, fmt.Errorf("Get %q: stopped after %d redirects", target, maxRedirects)
}

// get sends one HTTP/1.1 request and reads the head of its answer. net/http would cost every container's first stage 0.4 ms: it is the
// same program.
func get(ctx context.Context, target *url.URL, headers []sandbox.HTTPHeader) (status int, location string, err error) {
	headers = withOwn(target, headers)
	if target.Scheme == "https" {
		return getSecurely(ctx, target, headers)
	}
	address := target.Host
	if target.Port() == "" {
		address = net.JoinHostPort(target.Hostname(), "80")
	}
	conn, err := dialProbe(ctx, address)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) }) // ends what is being read
	defer stop()
	if _, err = io.WriteString(conn, request(target, headers)); err == nil {
		status, location, err = readHead(io.LimitReader(conn, maxHead))
	}
	if ctx.Err() != nil {
		return 0, "", errNoAnswer
	}
	return status, location, err
}

// request is the text of a request. The manifest's check keeps line ends out of it; they are left out here again, where it is trusted.
func request(target *url.URL, headers []sandbox.HTTPHeader) string {
	var b strings.Builder
	b.WriteString("GET " + target.RequestURI() + " HTTP/1.1\r\n")
	for _, h := range headers {
		b.WriteString(oneLine.Replace(h.Name) + ": " + oneLine.Replace(h.Value) + "\r\n")
	}
	b.WriteString("Connection: close\r\n\r\n")
	return b.String()
}

// withOwn adds what a kubelet sends of itself, where the probe does not say otherwise.
func withOwn(target *url.URL, headers []sandbox.HTTPHeader) []sandbox.HTTPHeader {
	own := []sandbox.HTTPHeader{{Name: "Host", Value: target.Host}, {Name: "User-Agent", Value: agentName}, {Name: "Accept", Value: "*/*"}}
	for _, h := range own {
		if !names(headers, h.Name) {
			headers = append([]sandbox.HTTPHeader{h}, headers...)
		}
	}
	return headers
}

var oneLine = strings.NewReplacer("\r", "", "\n", "")

func names(headers []sandbox.HTTPHeader, name string) bool {
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			return true
		}
	}
	return false
}

// readHead reads an answer's status line, and the headers as far as Location. An answer that breaks off there has a status all the same.
func readHead(r io.Reader) (status int, location string, err error) {
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		return 0, "", cmp.Or(lines.Err(), io.ErrUnexpectedEOF)
	}
	version, rest, _ := strings.Cut(lines.Text(), " ")
	code, _, _ := strings.Cut(rest, " ")
	status, err = strconv.Atoi(code)
	if err != nil || !strings.HasPrefix(version, "HTTP/1.") || len(code) != 3 {
		return 0, "", fmt.Errorf("%w %q", errNoHTTP, clip(lines.Text()))
	}
	for lines.Scan() && lines.Text() != "" {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.EqualFold(name, "Location") {
			return status, strings.TrimSpace(value), nil
		}
	}
	return status, "", nil
}
