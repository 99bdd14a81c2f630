// Command podlab is the server and the command line. See package cli for its commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"podlab/server/cli"
	"podlab/server/supervise"
)

func main() {
	if status, ok := supervise.AsPID1(); ok {
		os.Exit(status)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.New(os.Stdin, os.Stdout, os.Stderr).Main(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}
