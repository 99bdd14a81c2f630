// Command podlab-probe asks a server once, for a probe or hook of the agent's that wants TLS or gRPC. Both would make the agent bigger, and
// with it the first stage of every container, which is the same program.
//
//	podlab-probe https URL [NAME:VALUE…]     {"status":302,"location":"/elsewhere"}
//	podlab-probe grpc ADDRESS SERVICE        {}, when the service is serving
//
// It prints one line of JSON, with "error" when the question failed, and exits 0. Whoever started it ends it when the time is over.
package main

import (
	"encoding/json"
	"os"

	"podlab/sandbox"
)

func main() {
	var answer sandbox.ProbeAnswer
	var err error
	switch args := os.Args[1:]; {
	case len(args) >= 2 && args[0] == "https":
		answer, err = askHTTPS(args[1], args[2:])
	case len(args) == 3 && args[0] == "grpc":
		err = askHealth(args[1], args[2])
	default:
		_, _ = os.Stderr.WriteString("podlab-probe https URL [NAME:VALUE…] | grpc ADDRESS SERVICE\n")
		os.Exit(2)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer) // who would read it is gone
}
