package main

/*
#include <string.h>
#include <sys/prctl.h>

// A first stage lives for some 10 ms, in which the Go runtime's monitor would wake up every 20 µs: a fifth of what a pod's start computes.
// The monitor inherits the slack of the main thread's timers, which is therefore wide until the runtime has started it.
static unsigned long usual;

__attribute__((constructor)) static void widen(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "init")) {
		usual = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
		prctl(PR_SET_TIMERSLACK, 500000, 0, 0, 0); // ns
	}
}

static void narrow(void)
{
	prctl(PR_SET_TIMERSLACK, usual, 0, 0, 0);
}
*/
import "C"

// usualSlack gives the main thread's timers, and so the program that it will execute, the slack that they had. See prctl(2), PR_SET_TIMERSLACK.
func usualSlack() { C.narrow() }
