/**
 * One process per data directory: the lock is an exclusive transaction on a small database, open
 * while the process lives. The kernel releases it when the process dies, in whatever way.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FsError } from '../../base/fs-error.ts'
import { isDatabaseDamage } from '../../base/sqlite-database.ts'
import { makePrivateFile } from '../../base/private-folder.ts'
import { volumeLimits } from '../limits.ts'
import { claimFolder, type DirectoryUse } from './own-folder.ts'

/**
 * SQLite's result code for a database that another process has locked (sqlite.org/rescode.html).
 */
const SQLITE_BUSY = 5

export const NVME: DirectoryUse = { name: 'NVMe directory', flag: '-nvme' }

export class DirectoryLock {
  readonly #database: DatabaseSync

  private constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** EBUSY: another process has the lock. EACCES: the directory cannot be used. */
  static take(directory: string, use: DirectoryUse = NVME): DirectoryLock {
    claimDirectory(directory, use)
    let database: DatabaseSync | undefined
    try {
      const path = join(directory, 'lock.db')
      // A user who can read the file could lock it.
      makePrivateFile(path)
      database = new DatabaseSync(path, { timeout: volumeLimits.directoryLockMs })
      database.exec('BEGIN EXCLUSIVE')
      return new DirectoryLock(database)
    } catch (cause) {
      database?.close()
      throw failure(directory, use, cause)
    }
  }

  release(): void {
    this.#database.close()
  }
}

function failure(path: string, { name, flag }: DirectoryUse, cause: unknown): FsError {
  if (((cause as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY) {
    const who = lockHolders(join(path, 'lock.db'))
    const message = `${path} is in use by another process: stop it, or use another ${flag}${who}`
    return new FsError('EBUSY', message, { path, cause })
  }
  if (cause instanceof FsError) return cause
  if (isDatabaseDamage(cause)) {
    const lock = join(path, 'lock.db')
    const message = `${lock} is damaged: remove it, if no other process uses the ${name}`
    return new FsError('EIO', message, { path: lock, cause })
  }
  const message = `the ${name} ${path} cannot be written to: name another with ${flag}`
  return new FsError('EACCES', message, { path, cause })
}

/** Message part that names the processes with a lock on the file, from proc_locks(5). */
function lockHolders(path: string): string {
  try {
    const { ino } = statSync(path)
    const lines = readFileSync('/proc/locks', 'utf8').split('\n')
    const fields = lines.map((line) => line.trim().split(/\s+/))
    const own = fields.filter((field) => field[5]?.endsWith(`:${ino}`))
    const pids = [...new Set(own.map((field) => field[4]).filter((pid) => pid !== '-1'))]
    return pids.length === 0 ? '' : ` (pid ${pids.join(', ')} has a lock on ${path})`
  } catch {
    return ''
  }
}

function claimDirectory(path: string, use: DirectoryUse): void {
  try {
    claimFolder(path, use)
  } catch (cause) {
    if (cause instanceof FsError) throw cause
    const { name, flag } = use
    const message = `the ${name} ${path} cannot be made: name a writable one with ${flag}`
    throw new FsError('EACCES', message, { path, cause })
  }
}
