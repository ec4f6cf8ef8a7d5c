/**
 * A secret in its own file of mode 0600: created once, and read at each start.
 *
 * Invariants: the file is written whole or not at all, and other users can never read it, not even
 * for a moment. A secret that other users could have read or written is refused, not used. No
 * symbolic link is followed.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { FsError } from './fs-error.ts'
import { PLAIN_FILE } from './private-folder.ts'

const OTHERS = 0o077
const BYTES_MAX = 4096

/**
 * The text of the file; undefined: it does not exist. EACCES: other users may have access to it.
 */
export function readSecret(path: string): string | undefined {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | PLAIN_FILE)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new FsError('EACCES', `${path} cannot be read`, { path, cause: error })
  }
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new FsError('EACCES', `${path} is not a file: remove it`, { path })
    const { mode, uid, size } = stats
    const isOurs = uid === 0 || uid === process.geteuid?.()
    if (!isOurs || (mode & OTHERS) !== 0) throw unsafe(path)
    return size > BYTES_MAX ? '' : readFileSync(fd, 'utf8').trim()
  } finally {
    closeSync(fd)
  }
}

function unsafe(path: string): FsError {
  const message =
    `other users may know what is in ${path}: remove it (a new one is made), ` +
    'or make it yours alone (chmod 600)'
  return new FsError('EACCES', message, { path })
}

/** Creates the file together with its content. An existing one is kept, unless `replace` is set. */
export function keepSecret(path: string, secret: string, how: { replace?: boolean } = {}): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(temporary, `${secret}\n`, { flag: 'wx', mode: 0o600, flush: true })
    if (how.replace === true) renameSync(temporary, path)
    else linkSync(temporary, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return
    throw new FsError('EIO', `${path} cannot be written`, { path, cause })
  } finally {
    rmSync(temporary, { force: true })
  }
}
