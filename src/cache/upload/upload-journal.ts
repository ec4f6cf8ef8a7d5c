/**
 * The upload journal: committed chunks that the cloud does not have yet, in the order of their
 * commits, and uploads that an unfinished commit replaces (`supersede`). Changes are made inside a
 * transaction.
 */
import { PENDING } from '../state/chunk-table.ts'
import type { NodeDatabase } from '../state/node-database.ts'
import { JOURNALED } from '../state/node-schema.ts'

export interface Upload {
  /** Position in the journal; the oldest upload has the lowest. */
  seq: number
  ino: number
  index: number
  id: number
  length: number
  committedMs: number
  /** Name of the pre-image that has the bytes; null: they are in the backing file. */
  source: string | null
  /** Offset of the bytes in the source. */
  sourceOffset: number
  /** CRC-32 of the bytes; null: not computed yet (cache/checks/pending-checksums.ts). */
  crc: number | null
}

const UPLOAD = `seq, ino, idx AS "index", id, length, committed_ms AS committedMs, source,
  source_offset AS sourceOffset, crc`
const UPLOAD_DATA = 'ino, idx, id, length, committed_ms, source, source_offset, crc'
const IS_CACHED = `EXISTS (SELECT 1 FROM local_chunk AS cached WHERE cached.ino = upload.ino
  AND cached.idx = upload.idx AND cached.id = upload.id AND state = ${PENDING}) AS isCached`
const END_COMMIT = `DELETE FROM uncommitted WHERE ino = ?1 AND stage = ${JOURNALED}
  AND NOT EXISTS (SELECT 1 FROM upload WHERE ino = ?1)`

export class UploadJournal {
  readonly #database: NodeDatabase

  constructor(database: NodeDatabase) {
    this.#database = database
  }

  find(ino: number, index: number): Upload | undefined {
    const sql = `SELECT ${UPLOAD} FROM upload WHERE ino = ? AND idx = ?`
    return this.#database.one(sql, ino, index)
  }

  /** As `find`, and whether the cache still has the content that was committed. */
  findCached(ino: number, index: number): (Upload & { isCached: number }) | undefined {
    const sql = `SELECT ${UPLOAD}, ${IS_CACHED} FROM upload WHERE ino = ? AND idx = ?`
    return this.#database.one(sql, ino, index)
  }

  after(seq: number, limit: number): Upload[] {
    const sql = `SELECT ${UPLOAD} FROM upload WHERE seq > ? ORDER BY seq LIMIT ?`
    return this.#database.all(sql, seq, limit)
  }

  of(ino: number, fromIndex: number): Upload[] {
    const sql = `SELECT ${UPLOAD} FROM upload WHERE ino = ? AND idx >= ? ORDER BY idx`
    return this.#database.all(sql, ino, fromIndex)
  }

  has(ino: number): boolean {
    const sql = 'SELECT 1 AS found FROM upload WHERE ino = ? LIMIT 1'
    return this.#database.one(sql, ino) !== undefined
  }

  backlog(): { count: number; bytes: number; oldestMs: number | null } {
    const sql = `SELECT COUNT(*) AS count, COALESCE(SUM(length), 0) AS bytes,
      (SELECT committed_ms FROM upload ORDER BY seq LIMIT 1) AS oldestMs FROM upload`
    return this.#database.one(sql) ?? { count: 0, bytes: 0, oldestMs: null }
  }

  /** Of all files, or of one inode. */
  oldestMs(ino?: number): number | null {
    const where = ino === undefined ? '' : 'WHERE ino = ?'
    const sql = `SELECT committed_ms AS ms FROM upload ${where} ORDER BY seq LIMIT 1`
    return this.#database.one<{ ms: number }>(sql, ...(ino === undefined ? [] : [ino]))?.ms ?? null
  }

  add(upload: Omit<Upload, 'seq' | 'source' | 'crc'>): void {
    this.#database.run(
      `INSERT INTO upload (ino, idx, id, length, committed_ms, source, source_offset)
       VALUES (?, ?, ?, ?, ?, NULL, ?)`,
      upload.ino,
      upload.index,
      upload.id,
      upload.length,
      upload.committedMs,
      upload.sourceOffset,
    )
  }

  setSource(seq: number, source: string | null, offset: number): void {
    const sql = 'UPDATE upload SET source = ?, source_offset = ? WHERE seq = ?'
    this.#database.run(sql, source, offset, seq)
  }

  setCrc(seq: number, crc: number): void {
    this.#database.run('UPDATE upload SET crc = ? WHERE seq = ?', crc, seq)
  }

  delete(seq: number): void {
    this.#database.run('DELETE FROM upload WHERE seq = ?', seq)
  }

  /**
   * Removes a finished upload, superseded or not, and ends the commit of its file if it was the
   * last. Undefined: neither table has it.
   */
  end({ seq, ino }: Upload): Pick<Upload, 'source'> | undefined {
    const how = 'WHERE seq = ? RETURNING source'
    const ended =
      this.#database.one<Pick<Upload, 'source'>>(`DELETE FROM upload ${how}`, seq) ??
      this.#database.one<Pick<Upload, 'source'>>(`DELETE FROM superseded ${how}`, seq)
    if (ended) this.#database.run(END_COMMIT, ino)
    return ended
  }

  /**
   * Removes an upload from the journal until the commit that replaces it is known to have
   * succeeded.
   */
  supersede(seq: number): void {
    const columns = `seq, ${UPLOAD_DATA}`
    const insert = `INSERT INTO superseded (${columns}) SELECT ${columns} FROM upload WHERE seq = ?`
    this.#database.run(insert, seq)
    this.delete(seq)
  }

  /** Returns a superseded upload to the journal. */
  reinstate(seq: number): void {
    const sql = `INSERT INTO upload (${UPLOAD_DATA}) SELECT ${UPLOAD_DATA} FROM superseded`
    this.#database.run(`${sql} WHERE seq = ?`, seq)
    this.deleteSuperseded(seq)
  }

  supersededOf(ino: number): Upload[] {
    return this.#database.all(`SELECT ${UPLOAD} FROM superseded WHERE ino = ? ORDER BY seq`, ino)
  }

  inodesWithSuperseded(): number[] {
    const rows = this.#database.all<{ ino: number }>('SELECT DISTINCT ino FROM superseded')
    return rows.map((row) => row.ino)
  }

  deleteSuperseded(seq: number): void {
    this.#database.run('DELETE FROM superseded WHERE seq = ?', seq)
  }

  /** Whether an upload reads this pre-image. */
  isSource(name: string): boolean {
    const sql = `SELECT 1 AS found FROM upload WHERE source = ?1
      UNION ALL SELECT 1 FROM superseded WHERE source = ?1 LIMIT 1`
    return this.#database.one(sql, name) !== undefined
  }
}
