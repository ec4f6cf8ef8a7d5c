/**
 * State of the coordinator besides the metadata: `coordinator.db` in its data directory. It is
 * small and rarely written, so the thread that writes it also checkpoints its write-ahead log,
 * regularly.
 */
import { join } from 'node:path'
import { SharedMutex } from '../base/async/shared-mutex.ts'
import { SqliteDatabase } from '../base/sqlite-database.ts'
import { SqlitePeerStore } from './peers/peer-store.ts'
import type { PeerStore } from './peers/peer-store.ts'

const SCHEMA = `CREATE TABLE IF NOT EXISTS setting (
  name TEXT PRIMARY KEY, value TEXT NOT NULL
) WITHOUT ROWID`
const NAMES = 'names'
const REMEDY = 'restore it from a backup, or move it away: nodes register again by themselves'

export class CoordinatorDatabase {
  readonly peers: PeerStore
  /** Whether a coordinator had its metadata in this directory before. */
  readonly hadNames: boolean
  readonly #database: SqliteDatabase

  private constructor(database: SqliteDatabase) {
    this.#database = database
    this.peers = new SqlitePeerStore(database)
    database.execute(SCHEMA)
    this.hadNames =
      database.statement('SELECT 1 FROM setting WHERE name = ?').get(NAMES) !== undefined
  }

  /** EIO: the file is damaged, or is not an SQLite database. */
  static open(directory: string): CoordinatorDatabase {
    const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
    const database = new SqliteDatabase(join(directory, 'coordinator.db'), mutex, {
      remedy: REMEDY,
    })
    try {
      return new CoordinatorDatabase(database)
    } catch (error) {
      database.close()
      throw error
    }
  }

  /** The metadata of a volume is in this directory from here on. */
  noteNames(): void {
    this.#database.transaction(() => {
      const put = this.#database.statement('INSERT OR REPLACE INTO setting VALUES (?, ?)')
      put.run(NAMES, 'volume.db')
    })
  }

  /** Moves the write-ahead log into the database and empties it. */
  checkpoint(): void {
    this.#database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  close(): void {
    this.#database.close()
  }
}
