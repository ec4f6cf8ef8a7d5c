/**
 * State of the coordinator besides the metadata: `coordinator.db` in its data directory. It is
 * small and rarely written, so the thread that writes it also checkpoints its write-ahead log,
 * regularly.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { SharedMutex } from '../base/async/shared-mutex.ts'
import { FileIdentity } from '../base/file-identity.ts'
import { FsError } from '../base/fs-error.ts'
import { SqliteDatabase } from '../base/sqlite-database.ts'
import { SqlitePeerStore } from './peers/peer-store.ts'
import type { PeerStore } from './peers/peer-store.ts'

const SCHEMA = `CREATE TABLE IF NOT EXISTS setting (
  name TEXT PRIMARY KEY, value TEXT NOT NULL
) WITHOUT ROWID`
const NAMES = 'names'
/** Inodes of this database and of the one with the names, as of the last start. */
const INODES = 'inodes'
const REMEDY = 'restore it from a backup, or move it away: nodes register again by themselves'

export class CoordinatorDatabase {
  readonly peers: PeerStore
  /** Whether a coordinator had its metadata in this directory before. */
  readonly hadNames: boolean
  readonly #database: SqliteDatabase
  readonly #file: FileIdentity

  private constructor(database: SqliteDatabase, path: string) {
    this.#database = database
    this.#file = new FileIdentity(path)
    this.peers = new SqlitePeerStore(database)
    database.execute(SCHEMA)
    this.hadNames =
      database.statement('SELECT 1 FROM setting WHERE name = ?').get(NAMES) !== undefined
  }

  /** EIO: the file is damaged, or is not an SQLite database. */
  static open(directory: string): CoordinatorDatabase {
    const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
    const path = join(directory, 'coordinator.db')
    const database = new SqliteDatabase(path, mutex, { remedy: REMEDY })
    try {
      return new CoordinatorDatabase(database, path)
    } catch (error) {
      database.close()
      throw error
    }
  }

  /** The metadata of a volume is in the file `path` from here on. */
  noteNames(path: string): void {
    this.#database.transaction(() => {
      const put = this.#database.statement('INSERT OR REPLACE INTO setting VALUES (?, ?)')
      put.run(NAMES, 'volume.db')
      put.run(INODES, JSON.stringify([inodeOf(this.#file.path), inodeOf(path)]))
    })
  }

  /**
   * EIO if the names were replaced beside the write-ahead log of the file before: SQLite would mix
   * both. A copy of the whole directory has another inode of this database too, and is accepted.
   */
  checkLog(path: string): void {
    if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) === 0) return
    const found = this.#database.statement('SELECT value FROM setting WHERE name = ?').get(INODES)
    const [own, names] = JSON.parse(String(found?.['value'] ?? '[]')) as string[]
    if (own !== inodeOf(this.#file.path) || names === inodeOf(path)) return
    throw new FsError(
      'EIO',
      `${path} is not the file that ${path}-wal belongs to: put that file back, or move ` +
        `${path}-wal and ${path}-shm away to start with this one`,
      { path },
    )
  }

  /**
   * Moves the write-ahead log into the database and empties it. ESTALE: another file is in its
   * place.
   */
  checkpoint(): void {
    if (!this.#file.isInPlace()) {
      const message = `${this.#file.path} was replaced or removed: restart the coordinator`
      throw new FsError('ESTALE', message)
    }
    this.#database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  close(): void {
    this.#database.close()
  }
}

function inodeOf(path: string): string {
  return String(statSync(path, { bigint: true, throwIfNoEntry: false })?.ino)
}
