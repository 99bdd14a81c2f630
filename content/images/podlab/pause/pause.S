// pause holds a pod's namespaces open: it sleeps until a signal comes, reaps the dead children that it inherits as process 1,
// and ends on SIGINT or SIGTERM. No libc, no stack frame, no data: three system calls in a loop.
//
// Signals are not handled but blocked and waited for (rt_sigtimedwait(2)), so no handler and no race between "reap" and "sleep".

#include <asm/unistd.h>

#define SIGINT  2
#define SIGTERM 15
#define SIGCHLD 17
#define WNOHANG 1
#define SIG_BLOCK 0

// A kernel signal set is 64 bits: bit n-1 for signal n.
#define SET ((1 << (SIGINT - 1)) | (1 << (SIGTERM - 1)) | (1 << (SIGCHLD - 1)))

	.globl	_start
	.text

#if defined(__x86_64__)

_start:
	push	$SET			// the set lies on the stack, at rsp
	mov	$__NR_rt_sigprocmask, %eax
	xor	%edi, %edi		// SIG_BLOCK
	mov	%rsp, %rsi
	xor	%edx, %edx
	push	$8			// bytes of a signal set
	pop	%r10
	syscall

reap:					// all that died: several deaths may be one SIGCHLD
	mov	$__NR_wait4, %eax
	or	$-1, %rdi		// any child
	xor	%esi, %esi
	push	$WNOHANG
	pop	%rdx
	xor	%r10d, %r10d
	syscall
	test	%eax, %eax
	jg	reap

	mov	$__NR_rt_sigtimedwait, %eax
	mov	%rsp, %rdi
	xor	%esi, %esi
	xor	%edx, %edx		// for ever
	push	$8
	pop	%r10
	syscall
	cmp	$SIGINT, %eax
	je	end
	cmp	$SIGTERM, %eax
	jne	reap			// SIGCHLD, or interrupted (a negative number)
end:
	mov	$__NR_exit_group, %eax
	xor	%edi, %edi
	syscall

#elif defined(__aarch64__)

_start:
	ldr	x0, =SET
	str	x0, [sp, #-16]!		// the set lies on the stack, at sp
	mov	x8, #__NR_rt_sigprocmask
	mov	x0, #SIG_BLOCK
	mov	x1, sp
	mov	x2, #0
	mov	x3, #8			// bytes of a signal set
	svc	#0

reap:					// all that died: several deaths may be one SIGCHLD
	mov	x8, #__NR_wait4
	mov	x0, #-1			// any child
	mov	x1, #0
	mov	x2, #WNOHANG
	mov	x3, #0
	svc	#0
	cmp	w0, #0
	b.gt	reap

	mov	x8, #__NR_rt_sigtimedwait
	mov	x0, sp
	mov	x1, #0
	mov	x2, #0			// for ever
	mov	x3, #8
	svc	#0
	cmp	w0, #SIGINT
	b.eq	end
	cmp	w0, #SIGTERM
	b.ne	reap			// SIGCHLD, or interrupted (a negative number)
end:
	mov	x8, #__NR_exit_group
	mov	x0, #0
	svc	#0

#else
#error "pause is written for x86-64 and arm64"
#endif

	.section .note.GNU-stack, "", %progbits
