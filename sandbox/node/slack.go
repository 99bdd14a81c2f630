package main

/*
#include <string.h>
#include <sys/prctl.h>

// While a Go program works, its runtime's monitor wakes up every 20 µs: of what a pod's start computes that was a fifth in first stages, and
// a tenth in the agent when many start at once. The monitor inherits the slack of the main thread's timers, which therefore has to be wide
// when the runtime starts.
__attribute__((constructor)) static void widen(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "init") || !strcmp(argv[1], "agent")))
		prctl(PR_SET_TIMERSLACK, 500000, 0, 0, 0); // ns
}

static void narrow(void)
{
	prctl(PR_SET_TIMERSLACK, 50000, 0, 0, 0); // ns, as every process of Linux begins (init_task)
}
*/
import "C"

// usualSlack gives this thread's timers, and so a program that it executes, the usual slack. See prctl(2), PR_SET_TIMERSLACK.
func usualSlack() { C.narrow() }
