/**
 * Files with content that the metadata lacks, for the recovery after a crash: sizes and times that
 * were not committed, commits under way, and files that programs may write by mmap. Changes are
 * made inside a transaction.
 */
import type { NodeDatabase } from './node-database.ts'
import { JOURNALED } from './node-schema.ts'

export interface Uncommitted {
  ino: number
  floor: number
  size: number
  /** WRITTEN, JOURNALED, CUTTING or UNTRACKED (node-schema.ts). */
  stage: number
  mtimeSec: number
  mtimeNsec: number
  /** Version of the committed content from which the writes began. */
  base: number
}

const UNCOMMITTED = `ino, floor, size, stage, mtime_sec AS mtimeSec, mtime_nsec AS mtimeNsec, base`

export class UncommittedTable {
  readonly #database: NodeDatabase

  constructor(database: NodeDatabase) {
    this.#database = database
  }

  find(ino: number): Uncommitted | undefined {
    return this.#database.one(`SELECT ${UNCOMMITTED} FROM uncommitted WHERE ino = ?`, ino)
  }

  after(ino: number, limit: number): Uncommitted[] {
    const sql = `SELECT ${UNCOMMITTED} FROM uncommitted WHERE ino > ? ORDER BY ino LIMIT ?`
    return this.#database.all(sql, ino, limit)
  }

  put(row: Uncommitted): void {
    this.#database.run(
      `INSERT OR REPLACE INTO uncommitted (ino, floor, size, stage, mtime_sec, mtime_nsec, base)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      row.ino,
      row.floor,
      row.size,
      row.stage,
      row.mtimeSec,
      row.mtimeNsec,
      row.base,
    )
  }

  delete(ino: number): void {
    this.#database.run('DELETE FROM uncommitted WHERE ino = ?', ino)
  }

  /** Deletes the record of a commit that the metadata has. */
  deleteJournaled(ino: number): void {
    this.#database.run(`DELETE FROM uncommitted WHERE ino = ? AND stage = ${JOURNALED}`, ino)
  }

  /**
   * The commit on version `from` was executed: later uncommitted writes are based on version `to`.
   */
  rebase(ino: number, from: number, to: number): void {
    const executed = `ino = ? AND base = ? AND stage = ${JOURNALED}`
    this.#database.run(`DELETE FROM uncommitted WHERE ${executed}`, ino, from)
    this.#database.run('UPDATE uncommitted SET base = ? WHERE ino = ? AND base = ?', to, ino, from)
  }

  /** Inodes that programs may have mapped shared and writable. */
  mapped(): number[] {
    return this.#database.all<{ ino: number }>('SELECT ino FROM mapped').map((row) => row.ino)
  }

  addMapped(ino: number): void {
    this.#database.run('INSERT OR IGNORE INTO mapped (ino) VALUES (?)', ino)
  }

  deleteMapped(ino: number): void {
    this.#database.run('DELETE FROM mapped WHERE ino = ?', ino)
  }
}
