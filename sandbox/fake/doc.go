// Package fake is a scripted node without a kernel: it implements sandbox.Nodes and sandbox.Agent in memory, builds everywhere
// and needs no root. Labs, server and web are tested against it.
//
// What a test sees is plausible, not true: applying a pod makes an infra container and its containers with namespaces, processes,
// one network card, sockets and volumes; a few commands run (see commands.go); terminals echo. A test plays the kernel's part with
// Agent.Exit, Agent.Restart, Agent.Moment, Agent.Change and Nodes.Kernel, and takes a node away with Nodes.Vanish.
//
// Nodes and Agent start no goroutine of their own, but for one per open Dial connection, which ends when that closes.
package fake
