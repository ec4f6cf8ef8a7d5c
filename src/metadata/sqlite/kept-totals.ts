/**
 * Number of inodes of a volume and their total size, maintained by the database: counting ten
 * million inodes takes seconds, for which neither a start nor a status request should wait.
 *
 * Invariant: the row is exact in each committed state, because triggers update it in the
 * transaction that changes the inodes. Not replicated; each copy counts its own.
 */
import { change, one, type Rule } from '../statement.ts'
import { totals, type Totals } from '../volume-rules.ts'
import type { SqliteEngine } from './sqlite-engine.ts'

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS total (
    id INTEGER PRIMARY KEY, files BIGINT NOT NULL, bytes BIGINT NOT NULL
  )`,
  `CREATE TRIGGER IF NOT EXISTS inode_made AFTER INSERT ON inode BEGIN
    UPDATE total SET files = files + 1, bytes = bytes + NEW.size;
  END`,
  `CREATE TRIGGER IF NOT EXISTS inode_gone AFTER DELETE ON inode BEGIN
    UPDATE total SET files = files - 1, bytes = bytes - OLD.size;
  END`,
  `CREATE TRIGGER IF NOT EXISTS inode_sized AFTER UPDATE OF size ON inode
    WHEN NEW.size <> OLD.size BEGIN
    UPDATE total SET bytes = bytes + NEW.size - OLD.size;
  END`,
]

const select = one<Totals>('SELECT files, bytes FROM total')
const insert = change('kept-totals.insert', 'INSERT INTO total (id, files, bytes) VALUES (1, ?, ?)')

/** Call after the volume's tables were created. Counts the inodes of a database without totals. */
export function keepTotals(engine: SqliteEngine): void {
  for (const sql of SCHEMA) engine.execute(sql)
  engine.transact(counted())
}

function* counted(): Rule<void> {
  if ((yield* select()) !== undefined) return
  const { files, bytes } = yield* totals()
  yield* insert(files, bytes)
}

export function* keptTotals(): Rule<Totals> {
  return (yield* select()) ?? (yield* totals())
}
