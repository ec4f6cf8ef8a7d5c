/**
 * The file locks that processes on this node hold, noted on its disk: the process that goes on with
 * a mount claims them again. Of this node, no part of what copies of the metadata have.
 */
import type { HeldLock } from '../base/file-lock.ts'
import { change, many, type Rule } from './statement.ts'

export const LOCK_JOURNAL_SCHEMA = `CREATE TABLE IF NOT EXISTS held_lock (
    holder TEXT PRIMARY KEY, locks TEXT NOT NULL
  )`

const put = change(`INSERT INTO held_lock (holder, locks) VALUES (?, ?)
  ON CONFLICT (holder) DO UPDATE SET locks = excluded.locks`)
const remove = change('DELETE FROM held_lock WHERE holder = ?')
const select = many<{ locks: string }>('SELECT locks FROM held_lock WHERE holder <> ?')
const clear = change('DELETE FROM held_lock')

/** All that a holder has now. */
export function* noteLocks(holder: string, locks: readonly HeldLock[]): Rule<void> {
  if (locks.length === 0) yield* remove(holder)
  else yield* put(holder, JSON.stringify(locks))
}

export function* notedLocks(): Rule<HeldLock[]> {
  const rows = yield* select('')
  return rows.flatMap((row) => JSON.parse(row.locks) as HeldLock[])
}

/** A new mount: nobody holds any. */
export function* forgetLocks(): Rule<void> {
  yield* clear()
}
