/**
 * Flags of open(2), as the kernel sends them and `node:fs` expects them. They are the same on every
 * Linux architecture that Node supports (asm-generic/fcntl.h). Read-only access has no bit.
 */
export const O_ACCMODE = 0o3
export const O_WRONLY = 0o1
export const O_RDWR = 0o2
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000
/** Also a part of O_SYNC, which adds the timestamps. */
export const O_DSYNC = 0o10000
