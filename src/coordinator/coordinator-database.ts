/**
 * What the coordinator keeps besides the names: `coordinator.db` in its data directory. Small and
 * rarely written, so its log is taken in by the thread that writes it, every so often.
 */
import { join } from 'node:path'
import { SharedMutex } from '../base/async/shared-mutex.ts'
import { SqliteDatabase } from '../base/sqlite-database.ts'
import { SqlitePeerStore } from './peers/peer-store.ts'
import type { PeerStore } from './peers/peer-store.ts'

const REMEDY = 'restore it from a backup, or move it away: nodes register again by themselves'

export class CoordinatorDatabase {
  readonly peers: PeerStore
  readonly #database: SqliteDatabase

  private constructor(database: SqliteDatabase) {
    this.#database = database
    this.peers = new SqlitePeerStore(database)
  }

  /** EIO: the file is damaged, or not one of SQLite's. */
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

  /** What the log has goes into the database, and the log is empty again. */
  checkpoint(): void {
    this.#database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  close(): void {
    this.#database.close()
  }
}
