/**
 * Persists the registry of nodes across restarts of the coordinator: the tables `peer` and
 * `away_peer` of its own database. A row that cannot be parsed (of another version, for example) is
 * skipped; its node registers again within seconds.
 */
import { z } from 'zod'
import type { SqliteDatabase } from '../../base/sqlite-database.ts'
import type { AwayPeer, PeerRegistration, PeerReport } from '../../tiers/peers/peer-status.ts'

export interface StoredPeer extends Omit<PeerRegistration, 'capacityBytes'> {
  /** ISO 8601. */
  registeredAt: string
  report: PeerReport
}

/** A coordinator of another version may have stored fewer fields. */
export interface LoadedPeer extends Omit<StoredPeer, 'report'> {
  report: Partial<PeerReport>
}

export interface PeerStore {
  load(): LoadedPeer[]
  /** All or none; replaces entries with the same ids. */
  save(peers: readonly StoredPeer[]): void
  remove(ids: readonly string[]): void
  /** Oldest first. */
  loadAway(): AwayPeer[]
  /** Replaces all entries. */
  saveAway(peers: readonly AwayPeer[]): void
}

const SCHEMA = `CREATE TABLE IF NOT EXISTS peer (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  version TEXT NOT NULL,
  registered_at TEXT NOT NULL,
  report TEXT NOT NULL
) WITHOUT ROWID`
const AWAY_SCHEMA = `CREATE TABLE IF NOT EXISTS away_peer (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  since TEXT NOT NULL
) WITHOUT ROWID`

export class SqlitePeerStore implements PeerStore {
  readonly #database: SqliteDatabase

  constructor(database: SqliteDatabase) {
    this.#database = database
    database.execute(SCHEMA)
    database.execute(AWAY_SCHEMA)
  }

  load(): LoadedPeer[] {
    const sql = 'SELECT id, url, version, registered_at, report FROM peer'
    const rows = this.#database.transaction(() => this.#database.statement(sql).all())
    return rows.flatMap((row) => {
      const parsed = peerSchema.safeParse(row)
      const report = parsed.success ? parseReport(parsed.data.report) : undefined
      if (!parsed.success || report === undefined) return []
      const { id, url, version, registered_at: registeredAt } = parsed.data
      return [{ id, url, version, registeredAt, report }]
    })
  }

  save(peers: readonly StoredPeer[]): void {
    this.#database.transaction(() => {
      const insert = this.#database.statement('INSERT OR REPLACE INTO peer VALUES (?, ?, ?, ?, ?)')
      for (const { id, url, version, registeredAt, report } of peers) {
        insert.run(id, url, version, registeredAt, JSON.stringify(report))
      }
    })
  }

  remove(ids: readonly string[]): void {
    this.#database.transaction(() => {
      const remove = this.#database.statement('DELETE FROM peer WHERE id = ?')
      for (const id of ids) remove.run(id)
    })
  }

  loadAway(): AwayPeer[] {
    const sql = 'SELECT id, url, since FROM away_peer ORDER BY since'
    const rows = this.#database.transaction(() => this.#database.statement(sql).all())
    return rows.flatMap((row) => awaySchema.safeParse(row).data ?? [])
  }

  saveAway(peers: readonly AwayPeer[]): void {
    this.#database.transaction(() => {
      this.#database.statement('DELETE FROM away_peer').run()
      const insert = this.#database.statement('INSERT INTO away_peer VALUES (?, ?, ?)')
      for (const { id, url, since } of peers) insert.run(id, url, since)
    })
  }
}

const text = z.string()
const peerSchema = z.object({
  id: text,
  url: text,
  version: text,
  registered_at: text,
  report: text,
})
const awaySchema = z.object({ id: text, url: text, since: text })

const amount = z.number().min(0).exactOptional()
const reportSchema = z.object({
  health: z.enum(['ok', 'degraded']).exactOptional(),
  usedBytes: amount,
  capacityBytes: amount,
  hits: amount,
  misses: amount,
  peerHits: amount,
  peerBytes: amount,
  cloudReads: amount,
  cloudBytes: amount,
  backlogBytes: amount,
  backlogAgeMs: amount,
}) satisfies z.ZodType<Partial<PeerReport>>

function parseReport(json: string): Partial<PeerReport> | undefined {
  try {
    return reportSchema.parse(JSON.parse(json))
  } catch {
    return undefined
  }
}
