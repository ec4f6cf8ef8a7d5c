/**
 * The tables of the node database: chunks on this node (`local_chunk`), replicas (`held_chunk`),
 * the upload journal (`upload`), uploads that an unfinished commit replaces (`superseded`), lost
 * chunks, files with uncommitted content (`uncommitted`), and files with mmap writes (`mapped`).
 *
 * Invariant: tables and columns are only added, so a node opens the database of an earlier release.
 */
import type { SqliteDatabase } from '../../base/sqlite-database.ts'

/** Uncommitted content; the length of the backing file is how far it was written. */
export const WRITTEN = 0
/** The journal has the commit and its times; only the metadata may lack it. */
export const JOURNALED = 1
/** A truncate is under way: the backing file may be longer than the content. */
export const CUTTING = 2
/**
 * The kernel writes the file itself; the changed chunks have to be searched for
 * (cache/passthrough/passthrough-writes.ts).
 */
export const UNTRACKED = 3

export const NODE_SCHEMA = `
  CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS local_chunk (
    ino INTEGER NOT NULL, idx INTEGER NOT NULL, state INTEGER NOT NULL, id INTEGER NOT NULL,
    length INTEGER NOT NULL, accessed INTEGER NOT NULL, PRIMARY KEY (ino, idx)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS local_chunk_lru ON local_chunk (accessed) WHERE state = 1;
  CREATE TABLE IF NOT EXISTS held_chunk (
    id INTEGER PRIMARY KEY, ino INTEGER NOT NULL, idx INTEGER NOT NULL,
    length INTEGER NOT NULL, crc INTEGER NOT NULL, stored_ms INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS held_chunk_ino ON held_chunk (ino);
  CREATE TABLE IF NOT EXISTS upload (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, ino INTEGER NOT NULL, idx INTEGER NOT NULL,
    id INTEGER NOT NULL, length INTEGER NOT NULL, committed_ms INTEGER NOT NULL,
    source TEXT, source_offset INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX IF NOT EXISTS upload_chunk ON upload (ino, idx);
  CREATE TABLE IF NOT EXISTS superseded (
    seq INTEGER PRIMARY KEY, ino INTEGER NOT NULL, idx INTEGER NOT NULL, id INTEGER NOT NULL,
    length INTEGER NOT NULL, committed_ms INTEGER NOT NULL, source TEXT, source_offset INTEGER
  );
  CREATE INDEX IF NOT EXISTS superseded_ino ON superseded (ino);
  CREATE TABLE IF NOT EXISTS lost_chunk (
    ino INTEGER NOT NULL, idx INTEGER NOT NULL, id INTEGER NOT NULL, length INTEGER NOT NULL,
    reason TEXT NOT NULL, since_ms INTEGER NOT NULL, PRIMARY KEY (ino, idx)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS mapped (ino INTEGER PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS uncommitted (
    ino INTEGER PRIMARY KEY, floor INTEGER NOT NULL, size INTEGER NOT NULL,
    stage INTEGER NOT NULL, mtime_sec INTEGER NOT NULL, mtime_nsec INTEGER NOT NULL,
    base INTEGER NOT NULL DEFAULT 0
  );`

/** Columns that tables of earlier releases lack. */
const ADDED_COLUMNS = [
  { table: 'upload', column: 'crc', type: 'INTEGER' },
  { table: 'superseded', column: 'crc', type: 'INTEGER' },
  { table: 'local_chunk', column: 'crc', type: 'INTEGER' },
]

export function addColumns(database: SqliteDatabase): void {
  for (const { table, column, type } of ADDED_COLUMNS) {
    const columns = database.statement(`PRAGMA table_info(${table})`).all()
    if (columns.some(({ name }) => name === column)) continue
    database.execute(`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`)
  }
}
