/**
 * System calls of the cases, as Linux defines them: a negative result is thrown as an error whose
 * code is the name of the errno. By FFI, because Node's own calls do not accept these flags.
 */
import koffi from 'koffi'
import { getSystemErrorName } from 'node:util'

const libc = koffi.load(null)

export class SystemError extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

type Argument = number | bigint | string | Uint8Array | null | readonly object[]

function call(prototype: string): (...args: Argument[]) => number {
  const native = libc.func(prototype)
  return (...args) => {
    const result = Number(native(...args))
    if (result < 0) throw new SystemError(getSystemErrorName(-koffi.errno()))
    return result
  }
}

export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_SYMLINK_FOLLOW = 0x400
export const AT_EACCESS = 0x200
export const AT_EMPTY_PATH = 0x1000
export const UTIME_NOW = 0x3fff_ffff
export const UTIME_OMIT = 0x3fff_fffe

export const open = call('int open(const char *path, int flags, uint32_t mode)')
export const close = call('int close(int fd)')
export const dup = call('int dup(int fd)')
export const read = call('int64_t read(int fd, void *data, size_t length)')
export const write = call('int64_t write(int fd, const uint8_t *data, size_t length)')
export const pread = call('int64_t pread(int fd, void *data, size_t length, int64_t offset)')
export const pwrite = call(
  'int64_t pwrite(int fd, const uint8_t *data, size_t length, int64_t offset)',
)
koffi.struct('iovec', { base: 'const uint8_t *', length: 'size_t' })
export const pwritev2 = call(
  'int64_t pwritev2(int fd, const iovec *parts, int count, int64_t offset, int flags)',
)
export const lseek = call('int64_t lseek(int fd, int64_t offset, int whence)')
export const fsync = call('int fsync(int fd)')
export const fdatasync = call('int fdatasync(int fd)')
export const syncfs = call('int syncfs(int fd)')
export const truncate = call('int truncate(const char *path, int64_t length)')
export const ftruncate = call('int ftruncate(int fd, int64_t length)')
export const fallocate = call('int fallocate(int fd, int mode, int64_t offset, int64_t length)')
export const copyFileRange = call(
  'int64_t copy_file_range(int from, void *a, int to, void *b, size_t length, uint32_t flags)',
)
export const mkdir = call('int mkdir(const char *path, uint32_t mode)')
export const rmdir = call('int rmdir(const char *path)')
export const unlink = call('int unlink(const char *path)')
export const mknod = call('int mknod(const char *path, uint32_t mode, uint64_t device)')
export const symlink = call('int symlink(const char *target, const char *path)')
export const linkat = call('int linkat(int from, const char *a, int to, const char *b, int flags)')
export const renameat2 = call(
  'int renameat2(int from, const char *a, int to, const char *b, uint32_t flags)',
)
export const faccessat = call('int faccessat(int at, const char *path, int mode, int flags)')
export const chmod = call('int chmod(const char *path, uint32_t mode)')
export const fchmod = call('int fchmod(int fd, uint32_t mode)')
export const fchownat = call(
  'int fchownat(int at, const char *path, uint32_t uid, uint32_t gid, int flags)',
)
export const fchown = call('int fchown(int fd, uint32_t uid, uint32_t gid)')
export const utimensat = call(
  'int utimensat(int at, const char *path, const uint8_t *times, int flags)',
)
export const setxattr = call(
  'int setxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)',
)
export const getxattr = call(
  'int64_t getxattr(const char *path, const char *name, void *value, size_t size)',
)
export const listxattr = call('int64_t listxattr(const char *path, void *list, size_t size)')
export const removexattr = call('int removexattr(const char *path, const char *name)')
export const fcntl = call('int fcntl(int fd, int command, uint64_t argument)')
export const fcntlLock = call('int fcntl(int fd, int command, void *lock)')
export const flock = call('int flock(int fd, int operation)')
export const ioctl = call('int ioctl(int fd, uint64_t request, void *argument)')
export const getdents = call('int64_t getdents64(int fd, void *entries, size_t size)')
const msyncCall = libc.func('int msync(void *address, size_t length, int flags)')
const munmapCall = libc.func('int munmap(void *address, size_t length)')
const mmapCall = libc.func(
  'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
)
const MAP_FAILED = 0xffff_ffff_ffff_ffffn

export interface Mapping {
  address: unknown
  bytes: Uint8Array
}

export function mmap(
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
): Mapping {
  const address: unknown = mmapCall(null, length, protection, flags, fd, offset)
  if (koffi.address(address) === MAP_FAILED) {
    throw new SystemError(getSystemErrorName(-koffi.errno()))
  }
  return { address, bytes: new Uint8Array(koffi.view(address, length)) }
}

const MS_SYNC = 4

export function msync({ address, bytes }: Mapping): void {
  if (msyncCall(address, bytes.length, MS_SYNC) !== 0) {
    throw new SystemError(getSystemErrorName(-koffi.errno()))
  }
}

export function munmap({ address, bytes }: Mapping): void {
  munmapCall(address, bytes.length)
}
