/**
 * The file locks that processes on this node hold, recorded on its disk, so that the process that
 * takes over a mount can reclaim them. Specific to this node; not part of the replicated metadata.
 */
import { z } from 'zod'
import type { HeldLock } from '../base/file-lock.ts'
import { change, many, type Rule } from './statement.ts'

export const LOCK_JOURNAL_SCHEMA = `CREATE TABLE IF NOT EXISTS held_lock (
    holder TEXT PRIMARY KEY, locks TEXT NOT NULL
  )`

const locksSchema = z.array(
  z.object({
    kind: z.enum(['posix', 'flock']),
    type: z.enum(['read', 'write', 'unlock']),
    start: z.number(),
    end: z.number(),
    pid: z.number(),
    ino: z.number(),
    owner: z.string(),
  }) satisfies z.ZodType<HeldLock>,
)

const put = change(
  'lock-journal.put',
  `INSERT INTO held_lock (holder, locks) VALUES (?, ?)
  ON CONFLICT (holder) DO UPDATE SET locks = excluded.locks`,
)
const remove = change('lock-journal.remove', 'DELETE FROM held_lock WHERE holder = ?')
const select = many<{ locks: string }>('SELECT locks FROM held_lock WHERE holder <> ?')
const clear = change('lock-journal.clear', 'DELETE FROM held_lock')

/** Records all locks of a holder, in place of its previous ones. */
export function* noteLocks(holder: string, locks: readonly HeldLock[]): Rule<void> {
  if (locks.length === 0) yield* remove(holder)
  else yield* put(holder, JSON.stringify(locks))
}

export function* notedLocks(): Rule<HeldLock[]> {
  const rows = yield* select('')
  return rows.flatMap((row) => locksSchema.parse(JSON.parse(row.locks)))
}

/** Deletes all records: in a new mount nobody holds a lock. */
export function* forgetLocks(): Rule<void> {
  yield* clear()
}
