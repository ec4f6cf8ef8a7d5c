/**
 * The two system calls that Node lacks and sparse files need: fallocate(2) to give blocks back
 * (and to reserve them), lseek(2) to find holes. By FFI (koffi ships its binaries), once a thread.
 */
import koffi from 'koffi'
import { getSystemErrorName } from 'node:util'
import { FsError, codeOf } from '../../base/fs-error.ts'

export const FALLOC_KEEP_SIZE = 1
export const FALLOC_PUNCH_HOLE = 2
export const FALLOC_ZERO_RANGE = 16
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

const libc = koffi.load(null)
const fallocateCall = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)')
const lseekCall = libc.func('int64_t lseek(int fd, int64_t offset, int whence)')

export function fallocate(fd: number, mode: number, offset: number, length: number): void {
  if (fallocateCall(fd, mode, offset, length) !== 0) throw lastError('fallocate')
}

/** New position, or -1 where there is no data beyond `offset` (ENXIO). */
export function seekSparse(fd: number, offset: number, whence: number): number {
  const at = Number(lseekCall(fd, offset, whence))
  if (at >= 0) return at
  const error = lastError('lseek')
  if (error.code === 'ENXIO') return -1
  throw error
}

function lastError(syscall: string): FsError {
  const name = getSystemErrorName(-koffi.errno())
  return new FsError(codeOf({ code: name }), `${syscall} failed with ${name}`, { syscall })
}
