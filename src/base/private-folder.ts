/**
 * Directories and files that only their owner can access: modes 0700 and 0600, whatever their
 * previous modes and the umask. Other users of the machine can neither read nor lock them.
 *
 * Invariants: no symbolic link below the directory that the user named is followed. What belongs to
 * another user is rejected, never taken over.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  type Stats,
} from 'node:fs'
import { FsError } from './fs-error.ts'

/** Permission bits of group and others. */
const OTHERS = 0o077
/** Flags of open(2) that follow no symbolic link and do not wait for the other end of a pipe. */
export const PLAIN_FILE = constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Creates the directory, or removes the permissions of others from an existing one. */
export function makePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
    return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const stats = lstatSync(path)
  checkOwn(path, stats)
  if (!stats.isDirectory()) throw refusal(path, 'is not a directory: remove it')
  if ((stats.mode & OTHERS) !== 0) chmodSync(path, 0o700)
}

/** Creates the file (empty), or removes the permissions of others from an existing one. */
export function makePrivateFile(path: string): void {
  const flags = constants.O_RDONLY | constants.O_CREAT | PLAIN_FILE
  try {
    const fd = openSync(path, flags, 0o600)
    try {
      const stats = fstatSync(fd)
      checkOwn(path, stats)
      if (!stats.isFile()) throw refusal(path, 'is no file: remove it')
      if ((stats.mode & OTHERS) !== 0) fchmodSync(fd, stats.mode & 0o700)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ELOOP') throw linkRefusal(path)
    if (code === 'EISDIR') throw refusal(path, 'is a directory: remove it')
    if (code === 'ENXIO') throw refusal(path, 'is a socket: remove it')
    throw error
  }
}

/** Throws EACCES if there is something else than a plain file at the path. */
export function checkPlain(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats && !stats.isFile()) throw refusal(path, 'is no file: remove it')
}

/** Throws EACCES if the path belongs to another user (except root) or is a symbolic link. */
export function checkOwn(path: string, stats: Stats): void {
  if (stats.isSymbolicLink()) throw linkRefusal(path)
  if (stats.uid === process.geteuid?.() || stats.uid === 0) return
  throw refusal(path, `belongs to user ${stats.uid}: change its owner with chown, or remove it`)
}

function linkRefusal(path: string): FsError {
  return refusal(path, 'is a symbolic link, which is not allowed here: remove it')
}

function refusal(path: string, what: string): FsError {
  return new FsError('EACCES', `${path} ${what}`, { path })
}
