/**
 * Opens files that this program owns and that must be plain files. Something else may be at their
 * path: an operator or a damaged disk put it there.
 *
 * Invariants: opening never waits for the other end of a pipe and never follows a symbolic link.
 * Anything but a plain file is an error that has the path and the remedy.
 */
import { closeSync, constants, fstatSync, openSync, readFile, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { FsError } from './fs-error.ts'
import { PLAIN_FILE } from './private-folder.ts'

/** Errors of open(2) for a symbolic link, a directory, a socket, and a pipe without a reader. */
const OTHER_KINDS = ['ELOOP', 'EISDIR', 'ENXIO']

const readOpened = promisify(readFile)

/** Returns a descriptor. EIO: there is something else at this path. */
export function openPlainFile(path: string, flags: number, mode?: number): number {
  let fd: number
  try {
    fd = openSync(path, flags | PLAIN_FILE, mode)
  } catch (error) {
    if (OTHER_KINDS.includes((error as NodeJS.ErrnoException).code ?? '')) throw notPlain(path)
    throw error
  }
  if (fstatSync(fd).isFile()) return fd
  closeSync(fd)
  throw notPlain(path)
}

/** The content of the file. EIO: there is something else at this path. */
export function readPlainFile(path: string): Buffer {
  const fd = openPlainFile(path, constants.O_RDONLY)
  try {
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** As `readPlainFile`, without blocking the thread. */
export async function loadPlainFile(path: string): Promise<Buffer> {
  const fd = openPlainFile(path, constants.O_RDONLY)
  try {
    return await readOpened(fd)
  } finally {
    closeSync(fd)
  }
}

function notPlain(path: string): FsError {
  return new FsError('EIO', `${path} is not a file: remove it`, { path })
}
