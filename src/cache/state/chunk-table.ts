/**
 * The chunks on this node and their states: one row for each chunk with bytes in a backing file.
 * Changes are made inside a transaction.
 */
import type { NodeDatabase } from './node-database.ts'

/** The cloud has the same bytes; the chunk may be evicted. */
export const CLEAN = 1
/** Written since the last commit. */
export const DIRTY = 2
/** Committed, and in the upload journal. */
export const PENDING = 3

export interface LocalChunk {
  index: number
  state: number
  /** Chunk id of the content; 0 while dirty. */
  id: number
  /** Bytes that are accounted for. */
  length: number
  /** Time of the last use, ms since the epoch; 0: fetched ahead and not used yet. */
  accessed: number
}

const CHUNK = 'idx AS "index", state, id, length, accessed'
/** Reserved space has no content: see cache/space/reservations.ts. */
const HAS_CONTENT = `NOT (state = ${CLEAN} AND id = 0)`

export class ChunkTable {
  readonly #database: NodeDatabase

  constructor(database: NodeDatabase) {
    this.#database = database
  }

  find(ino: number, index: number): LocalChunk | undefined {
    const sql = `SELECT ${CHUNK} FROM local_chunk WHERE ino = ? AND idx = ?`
    return this.#database.one(sql, ino, index)
  }

  /** Chunks from `index` on, in order. */
  from(ino: number, index: number, limit: number): LocalChunk[] {
    const sql = `SELECT ${CHUNK} FROM local_chunk WHERE ino = ? AND idx >= ? ORDER BY idx LIMIT ?`
    return this.#database.all(sql, ino, index, limit)
  }

  /** The chunk with the highest index that has content. */
  last(ino: number): LocalChunk | undefined {
    const where = `WHERE ino = ? AND ${HAS_CONTENT} ORDER BY idx DESC LIMIT 1`
    return this.#database.one(`SELECT ${CHUNK} FROM local_chunk ${where}`, ino)
  }

  /** The last chunk with content of each inode after `ino`, one page. */
  lastAfter(ino: number, limit: number): (LocalChunk & { ino: number })[] {
    // With MAX, SQLite takes the other columns from the row that has it (lang_select.html).
    const columns = 'ino, MAX(idx) AS "index", state, id, length, accessed'
    const sql = `SELECT ${columns} FROM local_chunk WHERE ino > ? AND ${HAS_CONTENT}
      GROUP BY ino ORDER BY ino LIMIT ?`
    return this.#database.all(sql, ino, limit)
  }

  dirty(ino: number): LocalChunk[] {
    const where = `WHERE ino = ? AND state = ${DIRTY}`
    return this.#database.all(`SELECT ${CHUNK} FROM local_chunk ${where}`, ino)
  }

  /** Number of chunks with content; reserved space does not count. */
  count(ino: number): number {
    const sql = `SELECT COUNT(*) AS count FROM local_chunk WHERE ino = ? AND ${HAS_CONTENT}`
    return this.#database.one<{ count: number }>(sql, ino)?.count ?? 0
  }

  put(ino: number, chunk: LocalChunk): void {
    this.#database.run(
      `INSERT OR REPLACE INTO local_chunk (ino, idx, state, id, length, accessed)
       VALUES (?, ?, ?, ?, ?, ?)`,
      ino,
      chunk.index,
      chunk.state,
      chunk.id,
      chunk.length,
      chunk.accessed,
    )
  }

  /** Records the CRC-32 of a chunk that is shorter than its object; `put` removes it. */
  setCrc(ino: number, index: number, crc: number): void {
    this.#database.run('UPDATE local_chunk SET crc = ? WHERE ino = ? AND idx = ?', crc, ino, index)
  }

  /** Undefined: none was recorded. */
  crcOf(ino: number, index: number): number | undefined {
    const sql = 'SELECT crc FROM local_chunk WHERE ino = ? AND idx = ?'
    return this.#database.one<{ crc: number | null }>(sql, ino, index)?.crc ?? undefined
  }

  /** Marks a pending chunk clean. Returns its bytes; 0 if the cache has other content. */
  markClean(ino: number, index: number, id: number): number {
    const sql = `UPDATE local_chunk SET state = ${CLEAN}
      WHERE ino = ? AND idx = ? AND id = ? AND state = ${PENDING} RETURNING length`
    return this.#database.one<{ length: number }>(sql, ino, index, id)?.length ?? 0
  }

  delete(ino: number, index: number): void {
    this.#database.run('DELETE FROM local_chunk WHERE ino = ? AND idx = ?', ino, index)
  }

  deleteFrom(ino: number, index: number): void {
    this.#database.run('DELETE FROM local_chunk WHERE ino = ? AND idx >= ?', ino, index)
  }

  touch(ino: number, index: number, accessed: number): void {
    const sql = 'UPDATE local_chunk SET accessed = ? WHERE ino = ? AND idx = ?'
    this.#database.run(sql, accessed, ino, index)
  }

  touchAll(ino: number, accessed: number): void {
    this.#database.run('UPDATE local_chunk SET accessed = ? WHERE ino = ?', accessed, ino)
  }

  /** Chunks that may be evicted, least recently used first. */
  leastRecentlyUsed(limit: number): (LocalChunk & { ino: number })[] {
    const where = `WHERE state = ${CLEAN} ORDER BY accessed LIMIT ?`
    return this.#database.all(`SELECT ino, ${CHUNK} FROM local_chunk ${where}`, limit)
  }

  /** Clean chunks after chunk (`ino`, `index`), in order, one page. */
  cleanAfter(ino: number, index: number, limit: number): (LocalChunk & { ino: number })[] {
    const where = `WHERE (ino, idx) > (?, ?) AND state = ${CLEAN} AND id <> 0`
    const sql = `SELECT ino, ${CHUNK} FROM local_chunk ${where} ORDER BY ino, idx LIMIT ?`
    return this.#database.all(sql, ino, index, limit)
  }

  /** Inodes with chunks on this node, after `ino`, one page. */
  inodesAfter(ino: number, limit: number): number[] {
    const sql = 'SELECT DISTINCT ino FROM local_chunk WHERE ino > ? ORDER BY ino LIMIT ?'
    return this.#database.all<{ ino: number }>(sql, ino, limit).map((row) => row.ino)
  }

  /** Totals of the chunks of an inode from `index` on. */
  sumFrom(ino: number, index: number): { chunks: number; used: number; unsynced: number } {
    const sql = `SELECT COUNT(*) AS chunks, COALESCE(SUM(length), 0) AS used,
      COALESCE(SUM(CASE WHEN state = ${CLEAN} THEN 0 ELSE length END), 0) AS unsynced
      FROM local_chunk WHERE ino = ? AND idx >= ?`
    return this.#database.one(sql, ino, index) ?? { chunks: 0, used: 0, unsynced: 0 }
  }

  /** Bytes of all chunks, and of those that are not clean. */
  totals(): { used: number; unsynced: number } {
    const sql = `SELECT COALESCE(SUM(length), 0) AS used,
      COALESCE(SUM(CASE WHEN state = ${CLEAN} THEN 0 ELSE length END), 0) AS unsynced
      FROM local_chunk`
    return this.#database.one(sql) ?? { used: 0, unsynced: 0 }
  }
}
