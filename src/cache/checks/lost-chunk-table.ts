/**
 * Lost chunks, which readers and the API report until the file has other content there
 * (lost-chunks.ts). Changes are made inside a transaction.
 */
import type { NodeDatabase } from '../state/node-database.ts'

/** A chunk that only this node had, and whose bytes are gone from its disk or damaged. */
export interface LostChunk {
  ino: number
  index: number
  /** Chunk id of the content; 0: it was not committed. */
  id: number
  length: number
  reason: string
  sinceMs: number
}

const LOST = 'ino, idx AS "index", id, length, reason, since_ms AS sinceMs'

export class LostChunkTable {
  readonly #database: NodeDatabase

  constructor(database: NodeDatabase) {
    this.#database = database
  }

  find(ino: number, index: number): LostChunk | undefined {
    const sql = `SELECT ${LOST} FROM lost_chunk WHERE ino = ? AND idx = ?`
    return this.#database.one(sql, ino, index)
  }

  of(ino: number): LostChunk[] {
    return this.#database.all(`SELECT ${LOST} FROM lost_chunk WHERE ino = ? ORDER BY idx`, ino)
  }

  /** Lost chunks after (`ino`, `index`), in order, one page. */
  after(ino: number, index: number, limit: number): LostChunk[] {
    const where = 'WHERE (ino, idx) > (?, ?) ORDER BY ino, idx LIMIT ?'
    return this.#database.all(`SELECT ${LOST} FROM lost_chunk ${where}`, ino, index, limit)
  }

  count(): number {
    const sql = 'SELECT COUNT(*) AS count FROM lost_chunk'
    return this.#database.one<{ count: number }>(sql)?.count ?? 0
  }

  put({ ino, index, id, length, reason, sinceMs }: LostChunk): void {
    const columns = 'ino, idx, id, length, reason, since_ms'
    const sql = `INSERT OR REPLACE INTO lost_chunk (${columns}) VALUES (?, ?, ?, ?, ?, ?)`
    this.#database.run(sql, ino, index, id, length, reason, sinceMs)
  }

  delete(ino: number, index: number): void {
    this.#database.run('DELETE FROM lost_chunk WHERE ino = ? AND idx = ?', ino, index)
  }

  deleteFrom(ino: number, index: number): void {
    this.#database.run('DELETE FROM lost_chunk WHERE ino = ? AND idx >= ?', ino, index)
  }
}
