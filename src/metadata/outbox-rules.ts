/**
 * The outbox of a node: operations that it ran on its own replica, in domains that were exclusive
 * to it, and that the coordinator does not have yet. An operation and its entry are committed in
 * one transaction. The coordinator runs the same operations again, in order (`runAlone`), on rows
 * that nobody else has changed, so with the same outcome.
 *
 * Invariants: entries are sent in the order of their numbers; `outbox_position` has the last one
 * that the coordinator has run, so that none is run twice. An entry is deleted in the transaction
 * that records the change in which the coordinator has run it. A replica that did not run the entry
 * itself, such as one from a backup, applies that change like any other.
 */
import { decode, encode } from '@msgpack/msgpack'
import { FsError } from '../base/fs-error.ts'
import { effectsOf, type Effects } from './effects.ts'
import { makeExclusive } from './domain-rules.ts'
import type { OutboxRange } from './change.ts'
import {
  ruleOf,
  type OperationArgs,
  type OperationName,
  type OperationResult,
} from './operations.ts'
import { change, many, one, type Rule } from './statement.ts'

/** An operation as sent to the coordinator. */
export interface OutboxOperation {
  name: OperationName
  args: readonly unknown[]
  /** Directories that it created, and that are exclusive to the node from then on. */
  created: readonly number[]
}

export interface OutboxEntry extends OutboxOperation {
  id: number
  /** Identifies the process that ran it. */
  run: string
}

/** Specific to this node; not part of the replicated metadata. */
export const OUTBOX_SCHEMA = `CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    operation BLOB NOT NULL,
    applied INTEGER NOT NULL DEFAULT 1
  )`

const insertEntry = change(
  'outbox.insertEntry',
  'INSERT INTO outbox (run, operation) VALUES (?, ?)',
)
const selectEntries = many<{ id: number; run: string; operation: Uint8Array }>(
  'SELECT id, run, operation FROM outbox WHERE id > ? ORDER BY id LIMIT ?',
)
const selectLast = one<{ id: number }>('SELECT id FROM outbox ORDER BY id DESC LIMIT 1')
const countEntries = one<{ count: number }>(
  'SELECT COUNT(*) AS count FROM outbox WHERE run = ? AND id <= ? AND applied = 1',
)
const deleteEntries = change('outbox.deleteEntries', 'DELETE FROM outbox WHERE run = ? AND id <= ?')

const forgetApplied = change('outbox.forgetApplied', 'UPDATE outbox SET applied = 0')
const selectPosition = one<OutboxPosition>('SELECT run, last FROM outbox_position WHERE node = ?')
const upsertPosition = change(
  'outbox.upsertPosition',
  `INSERT INTO outbox_position (node, run, last) VALUES (?, ?, ?)
  ON CONFLICT (node) DO UPDATE SET run = excluded.run, last = excluded.last`,
)

/** The last entry of a node's outbox that the coordinator has run. */
export interface OutboxPosition {
  run: string
  last: number
}

/** Entries that the coordinator has not run yet; records that it does so now. */
export function* passEntries(node: string, entries: readonly OutboxEntry[]): Rule<OutboxEntry[]> {
  const { run, id } = entries.at(-1)!
  const position = yield* selectPosition(node)
  const last = position?.run === run ? position.last : 0
  if (last >= id) return []
  yield* upsertPosition(node, run, id)
  return entries.filter((entry) => entry.id > last)
}

/** The replica was replaced by another copy, which lacks what the outbox has. */
export function* loseApplied(node: string): Rule<void> {
  const position = yield* selectPosition(node)
  if (position) yield* deleteEntries(position.run, position.last)
  yield* forgetApplied()
}

/** Runs one operation in domains that are exclusive to a node, on its replica or for it. */
export function* runAlone<K extends OperationName>(
  name: K,
  args: OperationArgs<K>,
  { created, node }: { created: readonly number[]; node: string },
): Rule<{ value: OperationResult<K>; effects: Effects }> {
  const value = yield* ruleOf(name, args)
  if (created.length > 0) yield* makeExclusive(created, node)
  return { value, effects: { ...effectsOf(name, args, value), exclusive: created } }
}

export function* putEntry(run: string, { name, args, created }: OutboxOperation): Rule<void> {
  yield* insertEntry(run, encode({ name, args, created }, { ignoreUndefined: true }))
}

/** Entries after `id` that one process made, in order, one page. */
export function* entriesAfter(id: number, most: number): Rule<OutboxEntry[]> {
  const rows = yield* selectEntries(id, most)
  const mine = rows.filter(({ run }) => run === rows[0]?.run)
  return mine.map((row) => ({ ...(decode(row.operation) as OutboxOperation), ...row }))
}

/** Number of the last entry; 0: the outbox is empty. */
export function* lastEntry(): Rule<number> {
  return (yield* selectLast())?.id ?? 0
}

/** Number of entries, as their ids have no gaps. */
export function* outboxLength(): Rule<number> {
  const last = yield* lastEntry()
  return last === 0 ? 0 : last - ((yield* selectEntries(0, 1))[0]?.id ?? last) + 1
}

/**
 * The coordinator has run these entries; false: this replica has not, and applies the change. EIO:
 * it ran some of them, as one from a backup may have.
 */
export function* takeEntries(node: string, { run, last, count }: OutboxRange): Rule<boolean> {
  const found = (yield* countEntries(run, last))?.count ?? 0
  yield* deleteEntries(run, last)
  if (found === 0) return false
  if (found !== count) throw new FsError('EIO', 'the outbox and the coordinator do not agree')
  yield* upsertPosition(node, run, last)
  return true
}
