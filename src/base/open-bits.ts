/**
 * The bits of open(2)'s flags, as the kernel sends them and as `node:fs` takes them: the same on
 * every Linux architecture that Node runs on (asm-generic/fcntl.h). Read-only is no bit at all.
 */
export const O_ACCMODE = 0o3
export const O_WRONLY = 0o1
export const O_RDWR = 0o2
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000
/** Also a part of O_SYNC, which is O_DSYNC and the times. */
export const O_DSYNC = 0o10000
