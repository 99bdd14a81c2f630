package pid1

/*
#include <signal.h>

static struct sigaction before[65];

// A fault that the kernel found has a positive si_code and goes to Go's handler. One that a process sent with sigqueue(3) would
// look like a fault to Go and end the program: it is dropped.
static void sent_or_true(int number, siginfo_t *info, void *context)
{
	if (info->si_code > 0)
		before[number].sa_sigaction(number, info, context);
}

static void drop_sent_faults(const int *numbers, int count)
{
	for (int i = 0; i < count; i++) {
		struct sigaction mine;
		if (sigaction(numbers[i], NULL, &before[numbers[i]]) || !(before[numbers[i]].sa_flags & SA_SIGINFO))
			continue;
		mine = before[numbers[i]];
		mine.sa_sigaction = sent_or_true;
		sigaction(numbers[i], &mine, NULL);
	}
}
*/
import "C"

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// faults are the signals that Go takes for errors of its own program.
var faults = []C.int{
	C.int(syscall.SIGSEGV), C.int(syscall.SIGBUS), C.int(syscall.SIGFPE), C.int(syscall.SIGILL), C.int(syscall.SIGTRAP), C.int(syscall.SIGSYS),
	C.int(syscall.SIGSTKFLT),
}

// handleSignals makes every signal that a learner can send to PID 1 harmless. It returns where SIGCHLD arrives.
func handleSignals() <-chan os.Signal {
	C.drop_sent_faults(&faults[0], C.int(len(faults)))
	// A channel that nobody reads: signals sent to it are received, and lost.
	nowhere := make(chan os.Signal, 1)
	for number := syscall.Signal(1); number <= 64; number++ {
		switch number {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG, 32, 33: // the kernel's, ours, the runtime's, the C library's
		default:
			if !slices.Contains(faults, C.int(number)) {
				signal.Notify(nowhere, number)
			}
		}
	}
	children := make(chan os.Signal, 1) // one waiting is enough: a reap takes them all
	signal.Notify(children, syscall.SIGCHLD)
	return children
}
