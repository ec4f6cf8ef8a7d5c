/**
 * System calls that Node lacks, by FFI (koffi, which ships its binaries; loaded once per thread):
 * fallocate(2) to free blocks of sparse files, lseek(2) to find holes, mmap(2) for memory that
 * outlives the process, prctl(2) to end with the parent process, sendto(2) for AF_UNIX datagrams,
 * ioctl(2) on /dev/fuse, fcntl(2) for leases, and posix_fadvise(2) to drop cached pages.
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { endianness } from 'node:os'
import koffi from 'koffi'
import { getSystemErrorName } from 'node:util'
import { FsError, codeOf } from './fs-error.ts'

export const FALLOC_KEEP_SIZE = 1
export const FALLOC_PUNCH_HOLE = 2
export const FALLOC_ZERO_RANGE = 16
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

const libc = koffi.load(null)
const fallocateCall = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)')
const mmapCall = libc.func(
  'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
)
const prctlCall = libc.func(
  'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
)
const socketCall = libc.func('int socket(int domain, int type, int protocol)')
const sendtoCall = libc.func(
  'long sendto(int fd, const void *data, size_t length, int flags, void *to, uint32_t toLength)',
)
const lseekCall = libc.func('int64_t lseek(int fd, int64_t offset, int whence)')
const ioctlCall = libc.func('int ioctl(int fd, unsigned long request, void *argument)')
const fcntlCall = libc.func('int fcntl(int fd, int command, int argument)')

const fadviseCall = libc.func(
  'int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)',
)

const PROT_READ_WRITE = 3
const MAP_SHARED = 1
const MAP_FAILED = 0xffff_ffff_ffff_ffffn
const PR_SET_PDEATHSIG = 1
const F_SETSIG = 10
const SIGURG = 23
const F_SETLEASE = 1024
const F_RDLCK = 0
const F_UNLCK = 2
const POSIX_FADV_DONTNEED = 4
const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const MSG_NOSIGNAL = 0x4000
const MSG_DONTWAIT = 0x40
/** Size of sun_path, unix(7). */
const SOCKET_PATH_BYTES = 108

export function fallocate(fd: number, mode: number, offset: number, length: number): void {
  if (fallocateCall(fd, mode, offset, length) !== 0) throw lastError('fallocate')
}

/** Drops clean pages of a file from the page cache, except those that a program has mapped. */
export function dropCachedPages(fd: number, offset: number, length: number): void {
  fadviseCall(fd, offset, length, POSIX_FADV_DONTNEED)
}

/** The new position, or -1 if there is no data or hole after `offset` (ENXIO). */
export function seekSparse(fd: number, offset: number, whence: number): number {
  const at = Number(lseekCall(fd, offset, whence))
  if (at >= 0) return at
  const error = lastError('lseek')
  if (error.code === 'ENXIO') return -1
  throw error
}

/**
 * Maps a file of `sizeBytes` (created or resized) as shared memory. Stores are visible to every
 * thread and process that maps it, and survive the end of the process. The mapping is never
 * removed.
 */
export function mapFile(path: string, sizeBytes: number): ArrayBuffer {
  const fd = openSync(path, 'a+', 0o600)
  try {
    ftruncateSync(fd, sizeBytes)
    const at: unknown = mmapCall(null, sizeBytes, PROT_READ_WRITE, MAP_SHARED, fd, 0)
    if (koffi.address(at) === MAP_FAILED) throw lastError('mmap')
    return koffi.view(at, sizeBytes)
  } finally {
    closeSync(fd)
  }
}

/** Returns the result of the call, which reads or writes `argument`. */
export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  const result = Number(ioctlCall(fd, request, argument))
  if (result < 0) throw lastError('ioctl')
  return result
}

/** Whether any process has the file open for writing or mapped writable; `fd` is read-only. */
export function hasWriters(fd: number): boolean {
  // An open by another process during the lease sends a signal; the default, SIGIO, is fatal.
  fcntlCall(fd, F_SETSIG, SIGURG)
  if (fcntlCall(fd, F_SETLEASE, F_RDLCK) !== 0) {
    const error = lastError('fcntl')
    if (error.code === 'EAGAIN') return true
    throw error
  }
  fcntlCall(fd, F_SETLEASE, F_UNLCK)
  return false
}

/** From now on the kernel sends this process the signal when its parent dies. */
export function signalWithParent(signal: number): void {
  if (prctlCall(PR_SET_PDEATHSIG, signal, 0, 0, 0) !== 0) throw lastError('prctl')
}

/** To a socket in the file system or an abstract one (`@name`); fails instead of blocking. */
export function sendDatagram(to: string, data: Uint8Array): void {
  const address = socketAddress(to)
  const fd = Number(socketCall(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
  if (fd < 0) throw lastError('socket')
  try {
    const flags = MSG_NOSIGNAL | MSG_DONTWAIT
    const sent = Number(sendtoCall(fd, data, data.length, flags, address, address.length))
    if (sent < 0) throw lastError('sendto')
  } finally {
    closeSync(fd)
  }
}

/** A sockaddr_un of exact length: trailing zeros would be part of an abstract name. */
export function socketAddress(path: string): Uint8Array {
  const name = Buffer.from(path.replace(/^@/, '\0'))
  if (name.length === 0 || name.length >= SOCKET_PATH_BYTES) {
    const message = `a socket path has 1 to ${SOCKET_PATH_BYTES - 1} bytes`
    throw new FsError('EINVAL', message, { path })
  }
  const address = Buffer.alloc(2 + name.length)
  if (endianness() === 'LE') address.writeUInt16LE(AF_UNIX)
  else address.writeUInt16BE(AF_UNIX)
  name.copy(address, 2)
  return address
}

function lastError(syscall: string): FsError {
  const name = getSystemErrorName(-koffi.errno())
  return new FsError(codeOf({ code: name }), `${syscall} failed with ${name}`, { syscall })
}
