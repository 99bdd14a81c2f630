// Package chaos holds tests only: it kills, fills, tears and wears out real daemons and nodes, and looks whether anything is lost, left or hung.
//
// TestMain puts the tests into namespaces of their own and stays their parent, to which every orphan falls: whatever descends from it was
// started by the tests, and nothing of other tests on the machine is counted. The sweeps go in large steps, unless PODLAB_CHAOS=full.
package chaos
