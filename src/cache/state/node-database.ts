/**
 * The database of a node (`node.db`): the chunks on its disk and their states, uncommitted writes,
 * the upload journal, lost chunks and replicas. SQLite, one connection per thread; a shared mutex
 * orders the write transactions. It is valid after the process dies at any point: recovery.ts
 * resolves what was under way.
 */
import type { SQLInputValue } from 'node:sqlite'
import type { SharedMutex } from '../../base/async/shared-mutex.ts'
import { SqliteDatabase } from '../../base/sqlite-database.ts'
import { cacheLimits } from '../limits.ts'
import { JOURNALED, NODE_SCHEMA, addColumns } from './node-schema.ts'

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

/** A replica: a chunk that another node wrote, kept until the cloud has it. */
export interface ChunkReplica {
  id: number
  ino: number
  index: number
  length: number
  crc: number
  storedMs: number
}

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

const HELD = 'id, ino, idx AS "index", length, crc, stored_ms AS storedMs'
const CHUNK = 'idx AS "index", state, id, length, accessed'
const LOST = 'ino, idx AS "index", id, length, reason, since_ms AS sinceMs'
/** Reserved space has no content: see cache/space/reservations.ts. */
const HAS_CONTENT = `NOT (state = ${CLEAN} AND id = 0)`
const UPLOAD = `seq, ino, idx AS "index", id, length, committed_ms AS committedMs, source,
  source_offset AS sourceOffset, crc`
const UPLOAD_DATA = 'ino, idx, id, length, committed_ms, source, source_offset, crc'
const IS_CACHED = `EXISTS (SELECT 1 FROM local_chunk AS cached WHERE cached.ino = upload.ino
  AND cached.idx = upload.idx AND cached.id = upload.id AND state = ${PENDING}) AS isCached`
const END_COMMIT = `DELETE FROM uncommitted WHERE ino = ?1 AND stage = ${JOURNALED}
  AND NOT EXISTS (SELECT 1 FROM upload WHERE ino = ?1)`
const UNCOMMITTED = `ino, floor, size, stage, mtime_sec AS mtimeSec, mtime_nsec AS mtimeNsec, base`

export class NodeDatabase {
  readonly #database: SqliteDatabase

  constructor(path: string, mutex: SharedMutex, onDamage?: () => void) {
    this.#database = new SqliteDatabase(path, mutex, { onDamage })
  }

  /**
   * Creates the tables. Call once, before other threads open the database. Returns true if the
   * database was never used. EIO if it is damaged.
   */
  static prepare(path: string, mutex: SharedMutex): boolean {
    const database = new SqliteDatabase(path, mutex)
    try {
      database.execute(NODE_SCHEMA)
      addColumns(database)
      database.check(cacheLimits.databaseCheckBytes)
      return database.statement('SELECT 1 FROM setting LIMIT 1').get() === undefined
    } catch (error) {
      throw database.failure(error)
    } finally {
      database.close()
    }
  }

  transaction<T>(section: () => T): T {
    return this.#database.transaction(section)
  }

  /** Everything written so far survives a power loss. */
  sync(): void {
    this.#database.sync()
  }

  close(): void {
    this.#database.close()
  }

  setting(name: string): string | undefined {
    return this.#one<{ value: string }>('SELECT value FROM setting WHERE name = ?', name)?.value
  }

  setSetting(name: string, value: string): void {
    this.#run('INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)', name, value)
  }

  chunk(ino: number, index: number): LocalChunk | undefined {
    return this.#one(`SELECT ${CHUNK} FROM local_chunk WHERE ino = ? AND idx = ?`, ino, index)
  }

  /** Chunks from `index` on, in order. */
  chunksFrom(ino: number, index: number, limit: number): LocalChunk[] {
    const sql = `SELECT ${CHUNK} FROM local_chunk WHERE ino = ? AND idx >= ? ORDER BY idx LIMIT ?`
    return this.#all(sql, ino, index, limit)
  }

  /** The chunk with the highest index that has content. */
  lastChunk(ino: number): LocalChunk | undefined {
    const where = `WHERE ino = ? AND ${HAS_CONTENT} ORDER BY idx DESC LIMIT 1`
    return this.#one(`SELECT ${CHUNK} FROM local_chunk ${where}`, ino)
  }

  /** The last chunk with content of each inode after `ino`, one page. */
  lastChunksAfter(ino: number, limit: number): (LocalChunk & { ino: number })[] {
    // With MAX, SQLite takes the other columns from the row that has it (lang_select.html).
    const columns = 'ino, MAX(idx) AS "index", state, id, length, accessed'
    const sql = `SELECT ${columns} FROM local_chunk WHERE ino > ? AND ${HAS_CONTENT}
      GROUP BY ino ORDER BY ino LIMIT ?`
    return this.#all(sql, ino, limit)
  }

  dirtyChunks(ino: number): LocalChunk[] {
    return this.#all(`SELECT ${CHUNK} FROM local_chunk WHERE ino = ? AND state = ${DIRTY}`, ino)
  }

  /** Number of chunks with content; reserved space does not count. */
  countChunks(ino: number): number {
    const sql = `SELECT COUNT(*) AS count FROM local_chunk WHERE ino = ? AND ${HAS_CONTENT}`
    return this.#one<{ count: number }>(sql, ino)?.count ?? 0
  }

  putChunk(ino: number, chunk: LocalChunk): void {
    this.#run(
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

  /** Records the CRC-32 of a chunk that is shorter than its object; `putChunk` removes it. */
  setChunkCrc(ino: number, index: number, crc: number): void {
    this.#run('UPDATE local_chunk SET crc = ? WHERE ino = ? AND idx = ?', crc, ino, index)
  }

  /** Undefined: none was recorded. */
  chunkCrc(ino: number, index: number): number | undefined {
    const sql = 'SELECT crc FROM local_chunk WHERE ino = ? AND idx = ?'
    return this.#one<{ crc: number | null }>(sql, ino, index)?.crc ?? undefined
  }

  /** Marks a pending chunk clean. Returns its bytes; 0 if the cache has other content. */
  markClean(ino: number, index: number, id: number): number {
    const sql = `UPDATE local_chunk SET state = ${CLEAN}
      WHERE ino = ? AND idx = ? AND id = ? AND state = ${PENDING} RETURNING length`
    return this.#one<{ length: number }>(sql, ino, index, id)?.length ?? 0
  }

  deleteChunk(ino: number, index: number): void {
    this.#run('DELETE FROM local_chunk WHERE ino = ? AND idx = ?', ino, index)
  }

  deleteChunksFrom(ino: number, index: number): void {
    this.#run('DELETE FROM local_chunk WHERE ino = ? AND idx >= ?', ino, index)
  }

  touchChunk(ino: number, index: number, accessed: number): void {
    this.#run('UPDATE local_chunk SET accessed = ? WHERE ino = ? AND idx = ?', accessed, ino, index)
  }

  touchChunks(ino: number, accessed: number): void {
    this.#run('UPDATE local_chunk SET accessed = ? WHERE ino = ?', accessed, ino)
  }

  /** Chunks that may be evicted, least recently used first. */
  leastRecentlyUsed(limit: number): (LocalChunk & { ino: number })[] {
    const where = `WHERE state = ${CLEAN} ORDER BY accessed LIMIT ?`
    return this.#all(`SELECT ino, ${CHUNK} FROM local_chunk ${where}`, limit)
  }

  /** Clean chunks after chunk (`ino`, `index`), in order, one page. */
  cleanAfter(ino: number, index: number, limit: number): (LocalChunk & { ino: number })[] {
    const where = `WHERE (ino, idx) > (?, ?) AND state = ${CLEAN} AND id <> 0`
    const sql = `SELECT ino, ${CHUNK} FROM local_chunk ${where} ORDER BY ino, idx LIMIT ?`
    return this.#all(sql, ino, index, limit)
  }

  /** Inodes with chunks on this node, after `ino`, one page. */
  inodesAfter(ino: number, limit: number): number[] {
    const sql = 'SELECT DISTINCT ino FROM local_chunk WHERE ino > ? ORDER BY ino LIMIT ?'
    return this.#all<{ ino: number }>(sql, ino, limit).map((row) => row.ino)
  }

  /** Totals of the chunks of an inode from `index` on. */
  sumFrom(ino: number, index: number): { chunks: number; used: number; unsynced: number } {
    const sql = `SELECT COUNT(*) AS chunks, COALESCE(SUM(length), 0) AS used,
      COALESCE(SUM(CASE WHEN state = ${CLEAN} THEN 0 ELSE length END), 0) AS unsynced
      FROM local_chunk WHERE ino = ? AND idx >= ?`
    return this.#one(sql, ino, index) ?? { chunks: 0, used: 0, unsynced: 0 }
  }

  /** Bytes that chunks and replicas occupy, and bytes of chunks that are not clean. */
  totals(): { used: number; unsynced: number } {
    const sql = `SELECT
      COALESCE(SUM(length), 0) + (SELECT COALESCE(SUM(length), 0) FROM held_chunk) AS used,
      COALESCE(SUM(CASE WHEN state = ${CLEAN} THEN 0 ELSE length END), 0) AS unsynced
      FROM local_chunk`
    return this.#one(sql) ?? { used: 0, unsynced: 0 }
  }

  upload(ino: number, index: number): Upload | undefined {
    return this.#one(`SELECT ${UPLOAD} FROM upload WHERE ino = ? AND idx = ?`, ino, index)
  }

  /** As `upload`, and whether the cache still has the content that was committed. */
  uploadOfCached(ino: number, index: number): (Upload & { isCached: number }) | undefined {
    return this.#one(
      `SELECT ${UPLOAD}, ${IS_CACHED} FROM upload WHERE ino = ? AND idx = ?`,
      ino,
      index,
    )
  }

  uploadsAfter(seq: number, limit: number): Upload[] {
    return this.#all(`SELECT ${UPLOAD} FROM upload WHERE seq > ? ORDER BY seq LIMIT ?`, seq, limit)
  }

  uploadsOf(ino: number, fromIndex: number): Upload[] {
    const sql = `SELECT ${UPLOAD} FROM upload WHERE ino = ? AND idx >= ? ORDER BY idx`
    return this.#all(sql, ino, fromIndex)
  }

  hasUploads(ino: number): boolean {
    return this.#one('SELECT 1 AS found FROM upload WHERE ino = ? LIMIT 1', ino) !== undefined
  }

  backlog(): { count: number; bytes: number; oldestMs: number | null } {
    const sql = `SELECT COUNT(*) AS count, COALESCE(SUM(length), 0) AS bytes,
      (SELECT committed_ms FROM upload ORDER BY seq LIMIT 1) AS oldestMs FROM upload`
    return this.#one(sql) ?? { count: 0, bytes: 0, oldestMs: null }
  }

  /** Of all files, or of one inode. */
  oldestUploadMs(ino?: number): number | null {
    const where = ino === undefined ? '' : 'WHERE ino = ?'
    const sql = `SELECT committed_ms AS ms FROM upload ${where} ORDER BY seq LIMIT 1`
    return this.#one<{ ms: number }>(sql, ...(ino === undefined ? [] : [ino]))?.ms ?? null
  }

  addUpload(upload: Omit<Upload, 'seq' | 'source' | 'crc'>): void {
    this.#run(
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

  setUploadSource(seq: number, source: string | null, offset: number): void {
    this.#run('UPDATE upload SET source = ?, source_offset = ? WHERE seq = ?', source, offset, seq)
  }

  setUploadCrc(seq: number, crc: number): void {
    this.#run('UPDATE upload SET crc = ? WHERE seq = ?', crc, seq)
  }

  deleteUpload(seq: number): void {
    this.#run('DELETE FROM upload WHERE seq = ?', seq)
  }

  /**
   * Removes a finished upload, superseded or not, and ends the commit of its file if it was the
   * last. Undefined: neither table has it.
   */
  endUpload({ seq, ino }: Upload): Pick<Upload, 'source'> | undefined {
    const how = 'WHERE seq = ? RETURNING source'
    const ended =
      this.#one<Pick<Upload, 'source'>>(`DELETE FROM upload ${how}`, seq) ??
      this.#one<Pick<Upload, 'source'>>(`DELETE FROM superseded ${how}`, seq)
    if (ended) this.#run(END_COMMIT, ino)
    return ended
  }

  /**
   * Removes an upload from the journal until the commit that replaces it is known to have
   * succeeded.
   */
  supersedeUpload(seq: number): void {
    const columns = `seq, ${UPLOAD_DATA}`
    const insert = `INSERT INTO superseded (${columns}) SELECT ${columns} FROM upload WHERE seq = ?`
    this.#run(insert, seq)
    this.deleteUpload(seq)
  }

  /** Returns a superseded upload to the journal. */
  reinstateUpload(seq: number): void {
    const sql = `INSERT INTO upload (${UPLOAD_DATA}) SELECT ${UPLOAD_DATA} FROM superseded`
    this.#run(`${sql} WHERE seq = ?`, seq)
    this.deleteSuperseded(seq)
  }

  supersededOf(ino: number): Upload[] {
    return this.#all(`SELECT ${UPLOAD} FROM superseded WHERE ino = ? ORDER BY seq`, ino)
  }

  inodesWithSuperseded(): number[] {
    return this.#all<{ ino: number }>('SELECT DISTINCT ino FROM superseded').map((row) => row.ino)
  }

  deleteSuperseded(seq: number): void {
    this.#run('DELETE FROM superseded WHERE seq = ?', seq)
  }

  sourceInUse(source: string): boolean {
    const sql = `SELECT 1 AS found FROM upload WHERE source = ?1
      UNION ALL SELECT 1 FROM superseded WHERE source = ?1 LIMIT 1`
    return this.#one(sql, source) !== undefined
  }

  uncommitted(ino: number): Uncommitted | undefined {
    return this.#one(`SELECT ${UNCOMMITTED} FROM uncommitted WHERE ino = ?`, ino)
  }

  uncommittedAfter(ino: number, limit: number): Uncommitted[] {
    const sql = `SELECT ${UNCOMMITTED} FROM uncommitted WHERE ino > ? ORDER BY ino LIMIT ?`
    return this.#all(sql, ino, limit)
  }

  putUncommitted(row: Uncommitted): void {
    this.#run(
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

  /** Inodes that programs may have mapped shared and writable. */
  mapped(): number[] {
    return this.#all<{ ino: number }>('SELECT ino FROM mapped').map((row) => row.ino)
  }

  addMmapWritten(ino: number): void {
    this.#run('INSERT OR IGNORE INTO mapped (ino) VALUES (?)', ino)
  }

  deleteMmapWritten(ino: number): void {
    this.#run('DELETE FROM mapped WHERE ino = ?', ino)
  }

  /**
   * The commit on version `from` was executed: later uncommitted writes are based on version `to`.
   */
  rebase(ino: number, from: number, to: number): void {
    const carriedOut = `ino = ? AND base = ? AND stage = ${JOURNALED}`
    this.#run(`DELETE FROM uncommitted WHERE ${carriedOut}`, ino, from)
    this.#run('UPDATE uncommitted SET base = ? WHERE ino = ? AND base = ?', to, ino, from)
  }

  deleteUncommitted(ino: number): void {
    this.#run('DELETE FROM uncommitted WHERE ino = ?', ino)
  }

  /** Deletes the record of a commit that the metadata has. */
  deleteJournaled(ino: number): void {
    this.#run(`DELETE FROM uncommitted WHERE ino = ? AND stage = ${JOURNALED}`, ino)
  }

  lostChunk(ino: number, index: number): LostChunk | undefined {
    return this.#one(`SELECT ${LOST} FROM lost_chunk WHERE ino = ? AND idx = ?`, ino, index)
  }

  lostOf(ino: number): LostChunk[] {
    return this.#all(`SELECT ${LOST} FROM lost_chunk WHERE ino = ? ORDER BY idx`, ino)
  }

  /** Lost chunks after (`ino`, `index`), in order, one page. */
  lostAfter(ino: number, index: number, limit: number): LostChunk[] {
    const where = 'WHERE (ino, idx) > (?, ?) ORDER BY ino, idx LIMIT ?'
    return this.#all(`SELECT ${LOST} FROM lost_chunk ${where}`, ino, index, limit)
  }

  countLost(): number {
    return this.#one<{ count: number }>('SELECT COUNT(*) AS count FROM lost_chunk')?.count ?? 0
  }

  putLost({ ino, index, id, length, reason, sinceMs }: LostChunk): void {
    const columns = 'ino, idx, id, length, reason, since_ms'
    const sql = `INSERT OR REPLACE INTO lost_chunk (${columns}) VALUES (?, ?, ?, ?, ?, ?)`
    this.#run(sql, ino, index, id, length, reason, sinceMs)
  }

  deleteLost(ino: number, index: number): void {
    this.#run('DELETE FROM lost_chunk WHERE ino = ? AND idx = ?', ino, index)
  }

  deleteLostFrom(ino: number, index: number): void {
    this.#run('DELETE FROM lost_chunk WHERE ino = ? AND idx >= ?', ino, index)
  }

  chunkReplica(id: number): ChunkReplica | undefined {
    return this.#one(`SELECT ${HELD} FROM held_chunk WHERE id = ?`, id)
  }

  replicasAfter(id: number, limit: number): ChunkReplica[] {
    return this.#all(`SELECT ${HELD} FROM held_chunk WHERE id > ? ORDER BY id LIMIT ?`, id, limit)
  }

  heldOf(ino: number): ChunkReplica[] {
    return this.#all(`SELECT ${HELD} FROM held_chunk WHERE ino = ?`, ino)
  }

  heldTotals(): { chunks: number; bytes: number } {
    const sql = 'SELECT COUNT(*) AS chunks, COALESCE(SUM(length), 0) AS bytes FROM held_chunk'
    return this.#one(sql) ?? { chunks: 0, bytes: 0 }
  }

  addReplica(held: ChunkReplica): void {
    this.#run(
      'INSERT INTO held_chunk (id, ino, idx, length, crc, stored_ms) VALUES (?, ?, ?, ?, ?, ?)',
      held.id,
      held.ino,
      held.index,
      held.length,
      held.crc,
      held.storedMs,
    )
  }

  deleteReplica(id: number): void {
    this.#run('DELETE FROM held_chunk WHERE id = ?', id)
  }

  #run(sql: string, ...args: SQLInputValue[]): void {
    try {
      this.#database.statement(sql).run(...args)
    } catch (error) {
      throw this.#database.failure(error)
    }
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the row's type
  #one<R>(sql: string, ...args: SQLInputValue[]): R | undefined {
    try {
      return this.#database.statement(sql).get(...args) as R | undefined
    } catch (error) {
      throw this.#database.failure(error)
    }
  }

  #all<R>(sql: string, ...args: SQLInputValue[]): R[] {
    try {
      return this.#database.statement(sql).all(...args) as R[]
    } catch (error) {
      throw this.#database.failure(error)
    }
  }
}
