// Names of signals by number (signal(7), Linux on x86-64 and arm64).

const names =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  );

export const signalName = (n: number): string => (names[n - 1] ? `SIG${names[n - 1]}` : `signal ${n}`);
