package main

/*
#include <string.h>
#include <sys/prctl.h>

// How parts of this program live, and programs that they start do not. All of it is set before the Go runtime starts. What a kernel does not
// know, it refuses, and all is as usual.
__attribute__((constructor)) static void unusual(int argc, char **argv)
{
	if (argc < 2)
		return;
	int init = !strcmp(argv[1], "init"), agent = !strcmp(argv[1], "agent");
	// While a Go program works, its runtime's monitor wakes up every 20 µs: of what a pod's start computes that was a fifth in first stages, and
	// a tenth in the agent when many start at once. The monitor inherits the slack of the main thread's timers.
	if (init || agent)
		prctl(PR_SET_TIMERSLACK, 500000, 0, 0, 0); // ns
	// Where the kernel gives huge pages to who does not ask (Debian's does), a byte of a heap or a stack may take 2 MiB.
	if (init || agent || !strcmp(argv[1], "node"))
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

static void usual(void)
{
	prctl(PR_SET_TIMERSLACK, 50000, 0, 0, 0); // ns, as every process of Linux begins (init_task)
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
}
*/
import "C"

// asUsual is for what this thread executes next: its timers have the usual slack, its memory the host's way with huge pages. See prctl(2),
// PR_SET_TIMERSLACK, and PR_SET_THP_DISABLE, which outlives an execve(2).
func asUsual() { C.usual() }
