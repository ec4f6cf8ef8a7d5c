/**
 * One process per NVMe directory: an exclusive transaction on a small database, held while the
 * process lives. The kernel gives the lock back when the process dies, however it dies.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FsError } from '../base/fs-error.ts'

export class DirectoryLock {
  readonly #database: DatabaseSync

  private constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** EBUSY: another process has it. */
  static take(directory: string): DirectoryLock {
    makeDirectory(directory)
    let database: DatabaseSync | undefined
    try {
      database = new DatabaseSync(join(directory, 'lock.db'), { timeout: 0 })
      database.exec('BEGIN EXCLUSIVE')
      return new DirectoryLock(database)
    } catch (cause) {
      database?.close()
      const message = `${directory} is in use by another process: stop it, or use another -nvme`
      throw new FsError('EBUSY', message, { path: directory, cause })
    }
  }

  release(): void {
    this.#database.close()
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const message = `the NVMe directory ${path} cannot be made: name a writable directory`
    throw new FsError('EACCES', message, { path, cause })
  }
}
