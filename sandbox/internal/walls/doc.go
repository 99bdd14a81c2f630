// Package walls holds tests only: what an attacker tries from a container, from a privileged pod, from a node shell, and what the neighbour
// feels of it. SECURITY.md says which promise each test shows; promises_test.go holds that table against the tests there are.
//
// The attacker is the test program itself: started under the name "attacker" in a node it runs one of the attacks below (attacker_test.go).
package walls
