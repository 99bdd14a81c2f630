// Command node stands in for podlab-node in the daemon's own tests: PID 1 that reaps, answers "ping", and runs a shell command for
// "exec". The daemon must not care which of the two it has.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"

	"podlab/sandbox"
	"podlab/sandbox/wire"
)

func main() {
	signal.Notify(make(chan os.Signal, 1)) // PID 1 gets whatever a learner sends
	fmt.Println("stand-in starts", os.Args)
	listener, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		go answer(conn)
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	var request wire.Request
	if wire.ReadJSON(conn, &request) != nil {
		return
	}
	if request.Verb != wire.VerbExec {
		_ = wire.Answer(conn, nil, sandbox.Errorf(sandbox.CodeBadRequest))
		return
	}
	var spec sandbox.ExecSpec
	if json.Unmarshal(request.Args, &spec) != nil || wire.Answer(conn, nil, nil) != nil {
		return
	}
	cmd := exec.Command(spec.Argv[0], spec.Argv[1:]...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		out = append(out, err.Error()...)
	}
	_ = wire.Write(conn, wire.Stdout, out[:min(len(out), wire.MaxData)])
	_ = wire.WriteJSON(conn, wire.Exit, sandbox.Exit{Code: cmd.ProcessState.ExitCode()})
}
