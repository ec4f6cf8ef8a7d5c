/**
 * The API key and the metrics token of a program: given, or made at its first start and kept in its
 * state folder, in a file of mode 0600 each.
 *
 * Invariants: a kept secret is written whole or not at all, and is never readable by other users,
 * not for a moment; one that others could have read or written is refused, not used.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { FsError } from '../base/fs-error.ts'
import { parseSecret } from './secret-text.ts'

const SECRET_BYTES = 32
const OTHERS = 0o077

export interface ApiSecrets {
  /** Requests carry it in X-API-Key. */
  apiKey: string
  /** Opens `/metrics` and nothing else. */
  metricsToken: string
}

/** What the user gave, where anything was. */
export interface GivenSecrets {
  apiKey?: string | undefined
  metricsToken?: string | undefined
}

/** Those given, else those kept in the folder, else new ones that `keepSecrets` is to keep. */
export function findSecrets(folder: string, given: GivenSecrets): ApiSecrets {
  return {
    apiKey: given.apiKey ?? readKept(keyFile(folder)) ?? newSecret(),
    metricsToken: given.metricsToken ?? readKept(tokenFile(folder)) ?? newSecret(),
  }
}

/** Writes those that were not given and are not kept yet. */
export function keepSecrets(folder: string, secrets: ApiSecrets, given: GivenSecrets): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (given.apiKey === undefined) keep(keyFile(folder), secrets.apiKey)
  if (given.metricsToken === undefined) keep(tokenFile(folder), secrets.metricsToken)
}

export function keyFile(folder: string): string {
  return join(folder, 'api-key')
}

function tokenFile(folder: string): string {
  return join(folder, 'metrics-token')
}

function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('hex')
}

function readKept(path: string): string | undefined {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new FsError('EACCES', `${path} cannot be read`, { path, cause: error })
  }
  try {
    const { mode, uid } = fstatSync(fd)
    const isOurs = uid === 0 || uid === process.geteuid?.()
    if (!isOurs || (mode & OTHERS) !== 0) throw unsafe(path)
    return parseSecret(readFileSync(fd, 'utf8'))
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

/** Appears with its content; one that is there already stays. */
function keep(path: string, secret: string): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(temporary, `${secret}\n`, { flag: 'wx', mode: 0o600, flush: true })
    linkSync(temporary, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return
    throw new FsError('EIO', `${path} cannot be written`, { path, cause })
  } finally {
    rmSync(temporary, { force: true })
  }
}
