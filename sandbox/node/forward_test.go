package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"podlab/sandbox"
	"podlab/sandbox/kubectl"
)

// forwarding is a port-forward in the background.
type forwarding struct {
	addrs []string // on 127.0.0.1, in the order asked for
	done  chan error
}

func startForward(ctx context.Context, t *testing.T, agent sandbox.Agent, pod string, ports ...kubectl.Port) *forwarding {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	said, out := io.Pipe()
	f := &forwarding{done: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.done <- kubectl.Forward(ctx, agent, pod, ports, out, io.Discard)
		_ = out.Close()
	}()
	t.Cleanup(func() { cancel(); <-ended })
	lines := bufio.NewScanner(said)
	for len(f.addrs) < len(ports) && lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "Forwarding from 127."); ok {
			addr, _, _ := strings.Cut(rest, " ")
			f.addrs = append(f.addrs, "127."+addr)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, said) }() // ends with the forwarding
	return f
}

func (f *forwarding) fetch(i int) (string, error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + f.addrs[i] + "/index.html")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func (f *forwarding) get(t *testing.T, i int, want string) {
	t.Helper()
	if body, err := f.fetch(i); err != nil || body != want {
		t.Errorf("%q %v", body, err)
	}
}

func (f *forwarding) parallel(t *testing.T, i, n int) {
	t.Helper()
	var all sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		all.Go(func() {
			if body, err := f.fetch(i); err != nil || body != "hi\n" {
				errs <- fmt.Errorf("%q %w", body, err)
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

// refused connects where nobody answers: the connection is closed at once.
func (f *forwarding) refused(t *testing.T, i int) {
	t.Helper()
	conn, err := net.Dial("tcp", f.addrs[i])
	if err != nil {
		return // forwarding has ended already
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("read %d, %v", n, err)
	}
}
