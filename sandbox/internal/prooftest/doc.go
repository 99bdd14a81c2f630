// Package prooftest holds the test that proves every lab of content on real nodes: what is taught really happens, checks fail
// before and pass after the solution, wrong solutions are named. It stands below sandbox because only packages there may start a
// daemon for a test.
package prooftest
