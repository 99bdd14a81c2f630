// Package top shows the processes of one node live in a terminal: their tree, and which namespaces they share.
//
// A node's own namespaces are a dot. Every other is a letter of its kind, given once and for as long as it is shown: two processes
// with the same letter below net see the same network.
//
// Owners: Run owns the screen, one goroutine that reads its keys, and two that follow the node; all have ended when it returns.
package top
