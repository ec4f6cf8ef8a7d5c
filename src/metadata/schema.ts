/**
 * Tables of the metadata of a volume. Times are seconds and nanoseconds; names are bytes. The `seq`
 * of a directory entry is its position in readdir order. It stays the same while the entry is in
 * its directory, whatever its name, so that a listing can continue after any entry, however the
 * directory has changed.
 */
/** Tables that each replica has, in the order in which a snapshot is loaded. */
export const TABLES = [
  'setting',
  'counter',
  'inode',
  'dentry',
  'xattr',
  'chunk',
  'past_file',
  'past',
  'trash',
  'number_range',
  'node',
  'term',
  'exclusive_domain',
  'outbox_position',
] as const

/** The store that a replica copies, and its last applied change; one row. */
export const REPLICA_SCHEMA = `CREATE TABLE IF NOT EXISTS replica (
    id INTEGER PRIMARY KEY, store TEXT NOT NULL, seq BIGINT NOT NULL
  )`

/** Tables that only the coordinator has: all changes, for nodes that missed some. */
export const LOG_SCHEMA = [
  `CREATE TABLE IF NOT EXISTS log (
    seq BIGINT PRIMARY KEY, session TEXT NOT NULL, operation BIGINT NOT NULL, change BLOB NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS session (token TEXT PRIMARY KEY) WITHOUT ROWID`,
  `CREATE UNIQUE INDEX IF NOT EXISTS log_operation ON log (session, operation)`,
] as const

export const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS inode (
    ino INTEGER PRIMARY KEY,
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
    target BLOB,
    version BIGINT NOT NULL DEFAULT 0
  )`,
  `CREATE INDEX IF NOT EXISTS inode_orphan ON inode (ino) WHERE nlink = 0`,
  `CREATE TABLE IF NOT EXISTS dentry (
    parent BIGINT NOT NULL,
    name BLOB NOT NULL,
    seq BIGINT NOT NULL,
    ino BIGINT NOT NULL,
    type INTEGER NOT NULL,
    PRIMARY KEY (parent, name)
  ) WITHOUT ROWID`,
  `CREATE UNIQUE INDEX IF NOT EXISTS dentry_order ON dentry (parent, seq)`,
  `CREATE TABLE IF NOT EXISTS xattr (
    ino BIGINT NOT NULL,
    name BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (ino, name)
  ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS chunk (
    ino BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    id BIGINT NOT NULL,
    length INTEGER NOT NULL,
    object_length INTEGER NOT NULL,
    crc BIGINT,
    durable INTEGER NOT NULL,
    holders TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (ino, idx)
  ) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS chunk_undurable ON chunk (ino, idx) WHERE durable = 0`,
  `CREATE TABLE IF NOT EXISTS past_file (
    ino BIGINT PRIMARY KEY,
    size BIGINT NOT NULL,
    blocks BIGINT NOT NULL,
    mtime_sec BIGINT NOT NULL,
    mtime_nsec INTEGER NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS past (
    ino BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    id BIGINT NOT NULL,
    length INTEGER NOT NULL,
    object_length INTEGER NOT NULL,
    crc BIGINT,
    PRIMARY KEY (ino, idx)
  ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS trash (
    id BIGINT PRIMARY KEY,
    ino BIGINT NOT NULL,
    idx BIGINT NOT NULL
  )`,
  // Ranges of numbers by the node that reserved them; older reservations have no row.
  `CREATE TABLE IF NOT EXISTS number_range (
    counter TEXT NOT NULL,
    last BIGINT NOT NULL,
    first BIGINT NOT NULL,
    node TEXT NOT NULL,
    PRIMARY KEY (counter, last)
  ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS node (
    id TEXT PRIMARY KEY, public_key TEXT NOT NULL, joined TEXT NOT NULL, revoked TEXT NOT NULL
  ) WITHOUT ROWID`,
  // Openings of the store (term-rules.ts).
  `CREATE TABLE IF NOT EXISTS term (id TEXT PRIMARY KEY, first BIGINT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS exclusive_domain (
    domain INTEGER PRIMARY KEY, node TEXT NOT NULL
  )`,
  `CREATE TABLE IF NOT EXISTS outbox_position (
    node TEXT PRIMARY KEY, run TEXT NOT NULL, last BIGINT NOT NULL
  ) WITHOUT ROWID`,
] as const
