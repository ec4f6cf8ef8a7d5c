/**
 * The replicas on this node; chunk-replicas.ts has their bytes. Changes are made inside a
 * transaction.
 */
import type { NodeDatabase } from '../state/node-database.ts'

/** A replica: a chunk that another node wrote, kept until the cloud has it. */
export interface ChunkReplica {
  id: number
  ino: number
  index: number
  length: number
  crc: number
  storedMs: number
}

const REPLICA = 'id, ino, idx AS "index", length, crc, stored_ms AS storedMs'

export class ReplicaTable {
  readonly #database: NodeDatabase

  constructor(database: NodeDatabase) {
    this.#database = database
  }

  find(id: number): ChunkReplica | undefined {
    return this.#database.one(`SELECT ${REPLICA} FROM held_chunk WHERE id = ?`, id)
  }

  after(id: number, limit: number): ChunkReplica[] {
    const sql = `SELECT ${REPLICA} FROM held_chunk WHERE id > ? ORDER BY id LIMIT ?`
    return this.#database.all(sql, id, limit)
  }

  of(ino: number): ChunkReplica[] {
    return this.#database.all(`SELECT ${REPLICA} FROM held_chunk WHERE ino = ?`, ino)
  }

  totals(): { chunks: number; bytes: number } {
    const sql = 'SELECT COUNT(*) AS chunks, COALESCE(SUM(length), 0) AS bytes FROM held_chunk'
    return this.#database.one(sql) ?? { chunks: 0, bytes: 0 }
  }

  add({ id, ino, index, length, crc, storedMs }: ChunkReplica): void {
    const columns = 'id, ino, idx, length, crc, stored_ms'
    const sql = `INSERT INTO held_chunk (${columns}) VALUES (?, ?, ?, ?, ?, ?)`
    this.#database.run(sql, id, ino, index, length, crc, storedMs)
  }

  delete(id: number): void {
    this.#database.run('DELETE FROM held_chunk WHERE id = ?', id)
  }
}
