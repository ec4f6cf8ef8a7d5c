/**
 * Folders and files that belong to a program alone: modes 0700 and 0600, whatever they were before
 * and whatever the umask is. Other users of the machine neither read them nor lock them.
 *
 * Invariants: nothing here follows a symbolic link below the folder that the user named; what
 * belongs to another user is refused, never taken over.
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

/** Bits that let others in. */
const OTHERS = 0o077

/** Makes the folder, or sees to it that the one that is there is nobody else's. */
export function makePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
    return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const stats = lstatSync(path)
  checkOwn(path, stats)
  if (!stats.isDirectory()) throw refusal(path, 'is no directory: remove it')
  if ((stats.mode & OTHERS) !== 0) chmodSync(path, 0o700)
}

/** Makes the file (empty), or takes the rights of others away from the one that is there. */
export function makePrivateFile(path: string): void {
  const flags = constants.O_RDONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK
  try {
    const fd = openSync(path, flags, 0o600)
    try {
      const stats = fstatSync(fd)
      checkOwn(path, stats)
      if ((stats.mode & OTHERS) !== 0) fchmodSync(fd, stats.mode & 0o700)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error
    throw linkRefusal(path)
  }
}

/** EACCES where another user, or a link of whomever, is there. */
export function checkOwn(path: string, stats: Stats): void {
  if (stats.isSymbolicLink()) throw linkRefusal(path)
  if (stats.uid === process.geteuid?.() || stats.uid === 0) return
  throw refusal(path, `belongs to user ${stats.uid}: chown it, or remove it`)
}

function linkRefusal(path: string): FsError {
  return refusal(path, 'is a symbolic link, which is not followed here: remove it')
}

function refusal(path: string, what: string): FsError {
  return new FsError('EACCES', `${path} ${what}`, { path })
}
