//go:build linux

/*
 * Runs before the Go runtime starts its threads, since only a process of one thread may make a user namespace for itself.
 * PODLAB_USERNS holds the uid that shall own the namespace. Descriptor 0 ends when the namespace may be let go, descriptor 1
 * is told that it is there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Some systems let only CAP_SYS_ADMIN make user namespaces: keep it when uid 0 is given up. */
static int become(unsigned int id)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2] = { { 0 } };

	caps[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective = CAP_TO_MASK(CAP_SYS_ADMIN);
	caps[CAP_TO_INDEX(CAP_SYS_ADMIN)].permitted = CAP_TO_MASK(CAP_SYS_ADMIN);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0)
		return -1;
	if (setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return -1;
	return syscall(SYS_capset, &head, caps);
}

__attribute__((constructor)) static void make_userns(void)
{
	const char *owner = getenv("PODLAB_USERNS");
	char buf;

	if (owner == NULL)
		return;
	if (become((unsigned int)strtoul(owner, NULL, 10)) < 0 || unshare(CLONE_NEWUSER) < 0)
		_exit(errno);
	if (write(1, "+", 1) != 1)
		_exit(EPIPE);
	while (read(0, &buf, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}
