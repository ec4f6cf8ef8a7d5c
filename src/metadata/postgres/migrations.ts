/**
 * Schema of the tables in PostgreSQL as numbered migrations; a row records how many have been
 * applied. A released migration is never changed, because some database has applied it. The leader
 * applies them, so nobody else uses the tables meanwhile. The SQL is the subset that PostgreSQL and
 * compatible databases share.
 *
 * Invariant: the metadata tables are those of schema.ts (test/contracts/postgres-schema.test.ts).
 */
import type { Client } from 'pg'
import { FsError } from '../../base/fs-error.ts'

/** Tables for leader election; each coordinator creates them at its start. */
export const LEADER_SCHEMA = [
  `CREATE TABLE IF NOT EXISTS leader (
    id INTEGER PRIMARY KEY, epoch BIGINT NOT NULL, holder TEXT NOT NULL, url TEXT NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS heartbeat (
    id INTEGER PRIMARY KEY, epoch BIGINT NOT NULL, beats BIGINT NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS schema_version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)`,
  `INSERT INTO leader (id, epoch, holder, url) VALUES (1, 0, '', '') ON CONFLICT (id) DO NOTHING`,
  `INSERT INTO heartbeat (id, epoch, beats) VALUES (1, 0, 0) ON CONFLICT (id) DO NOTHING`,
  `INSERT INTO schema_version (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING`,
] as const

const STEPS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL)`,
    `CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL)`,
    `CREATE TABLE inode (
      ino BIGINT PRIMARY KEY,
      mode INTEGER NOT NULL,
      nlink INTEGER NOT NULL,
      uid BIGINT NOT NULL,
      gid BIGINT NOT NULL,
      rdev BIGINT NOT NULL,
      size BIGINT NOT NULL,
      blocks BIGINT NOT NULL,
      atime_sec BIGINT NOT NULL,
      atime_nsec INTEGER NOT NULL,
      mtime_sec BIGINT NOT NULL,
      mtime_nsec INTEGER NOT NULL,
      ctime_sec BIGINT NOT NULL,
      ctime_nsec INTEGER NOT NULL,
      parent BIGINT NOT NULL,
      target BYTEA,
      version BIGINT NOT NULL DEFAULT 0
    )`,
    `CREATE INDEX inode_orphan ON inode (ino) WHERE nlink = 0`,
    `CREATE TABLE dentry (
      parent BIGINT NOT NULL,
      name BYTEA NOT NULL,
      seq BIGINT NOT NULL,
      ino BIGINT NOT NULL,
      type INTEGER NOT NULL,
      PRIMARY KEY (parent, name)
    )`,
    `CREATE UNIQUE INDEX dentry_order ON dentry (parent, seq)`,
    `CREATE TABLE xattr (
      ino BIGINT NOT NULL,
      name BYTEA NOT NULL,
      value BYTEA NOT NULL,
      PRIMARY KEY (ino, name)
    )`,
    `CREATE TABLE chunk (
      ino BIGINT NOT NULL,
      idx BIGINT NOT NULL,
      id BIGINT NOT NULL,
      length INTEGER NOT NULL,
      object_length INTEGER NOT NULL,
      crc BIGINT,
      durable INTEGER NOT NULL,
      holders TEXT NOT NULL DEFAULT '',
      PRIMARY KEY (ino, idx)
    )`,
    `CREATE INDEX chunk_undurable ON chunk (ino, idx) WHERE durable = 0`,
    `CREATE TABLE past_file (
      ino BIGINT PRIMARY KEY,
      size BIGINT NOT NULL,
      blocks BIGINT NOT NULL,
      mtime_sec BIGINT NOT NULL,
      mtime_nsec INTEGER NOT NULL
    )`,
    `CREATE TABLE past (
      ino BIGINT NOT NULL,
      idx BIGINT NOT NULL,
      id BIGINT NOT NULL,
      length INTEGER NOT NULL,
      object_length INTEGER NOT NULL,
      crc BIGINT,
      PRIMARY KEY (ino, idx)
    )`,
    `CREATE TABLE trash (id BIGINT PRIMARY KEY, ino BIGINT NOT NULL, idx BIGINT NOT NULL)`,
    `CREATE TABLE replica (id INTEGER PRIMARY KEY, store TEXT NOT NULL, seq BIGINT NOT NULL)`,
    `CREATE TABLE log (
      seq BIGINT PRIMARY KEY, session TEXT NOT NULL, operation BIGINT NOT NULL,
      change BYTEA NOT NULL
    )`,
    `CREATE UNIQUE INDEX log_operation ON log (session, operation)`,
    `CREATE TABLE session (token TEXT PRIMARY KEY)`,
  ],
  [
    `CREATE TABLE number_range (
      counter TEXT NOT NULL,
      last BIGINT NOT NULL,
      first BIGINT NOT NULL,
      node TEXT NOT NULL,
      PRIMARY KEY (counter, last)
    )`,
    `CREATE TABLE node (
      id TEXT PRIMARY KEY, public_key TEXT NOT NULL, joined TEXT NOT NULL, revoked TEXT NOT NULL
    )`,
  ],
  [`CREATE TABLE term (id TEXT PRIMARY KEY, first BIGINT NOT NULL)`],
  [
    `CREATE TABLE exclusive_domain (domain BIGINT PRIMARY KEY, node TEXT NOT NULL)`,
    `CREATE TABLE outbox_position (
      node TEXT PRIMARY KEY, run TEXT NOT NULL, last BIGINT NOT NULL
    )`,
  ],
]

/** Applies the outstanding migrations in the open transaction of the connection. */
export async function migrate(client: Pick<Client, 'query'>): Promise<void> {
  const { rows } = await client.query<{ version: number }>(
    'SELECT version FROM schema_version WHERE id = 1',
  )
  const version = rows[0]?.version ?? 0
  if (version > STEPS.length) {
    throw new FsError('EINVAL', 'the database was created by a newer version of CacheFS: upgrade')
  }
  for (const sql of STEPS.slice(version).flat()) await client.query(sql)
  if (version < STEPS.length) {
    await client.query('UPDATE schema_version SET version = $1 WHERE id = 1', [STEPS.length])
  }
}
