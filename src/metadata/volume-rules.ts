/**
 * Rules of the volume as a whole: settings, root directory, counters. Numbers (inodes, chunk ids,
 * positions in readdir order) are reserved in blocks and never used twice.
 */
import { randomInt } from 'node:crypto'
import type { Timestamp } from '../base/clock.ts'
import { metadataLimits } from './limits.ts'
import { S_IFDIR } from './inode-rules.ts'
import { change, changeReturning, many, one, type Rule } from './statement.ts'

const selectSetting = one<{ value: string }>('SELECT value FROM setting WHERE name = ?')
const upsertSetting = change(
  'volume.upsertSetting',
  `INSERT INTO setting (name, value) VALUES (?, ?)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
)
const selectCounter = one<{ value: number }>('SELECT value FROM counter WHERE name = ?')
const reserve = changeReturning<{ value: number }>(
  'volume.reserve',
  `INSERT INTO counter (name, value) VALUES (?, ?)
  ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value RETURNING value`,
)
const extendRange = changeReturning<{ last: number }>(
  'volume.extendRange',
  `UPDATE number_range SET last = ?
  WHERE counter = ? AND last = ? AND node = ? RETURNING last`,
)
const insertRange = change(
  'volume.insertRange',
  'INSERT INTO number_range (counter, last, first, node) VALUES (?, ?, ?, ?)',
)
const selectRanges = many<NumberRange>(`SELECT counter, last, first, node FROM number_range
  WHERE counter = ? AND last > ? ORDER BY last LIMIT ?`)
const insertRoot = change(
  'volume.insertRoot',
  `INSERT INTO inode (ino, mode, nlink, uid, gid, rdev, size, blocks,
  atime_sec, atime_nsec, mtime_sec, mtime_nsec, ctime_sec, ctime_nsec, parent)
  VALUES (1, ?, 2, 0, 0, 0, 4096, 8, ?, ?, ?, ?, ?, ?, 0)`,
)
const selectRoot = one<{ ino: number }>('SELECT ino FROM inode WHERE ino = 1')
const selectTotals = one<Totals>(
  'SELECT COUNT(*) AS files, COALESCE(SUM(size), 0) AS bytes FROM inode',
)

export type CounterName = 'inode' | 'chunk' | 'entry'

/** How many numbers are left out, by counter. */
export type Skips = Record<'inode' | 'chunk', number>

/** Numbers from `first` to `last` inclusive, reserved by one node. */
export interface NumberRange {
  counter: CounterName
  last: number
  first: number
  node: string
}

/** The last number that was reserved. */
export function* lastNumber(name: CounterName): Rule<number> {
  return (yield* selectCounter(name))?.value ?? 0
}

export function* getSetting(name: string): Rule<string | undefined> {
  return (yield* selectSetting(name))?.value
}

export function* setSetting(name: string, value: string): Rule<void> {
  yield* upsertSetting(name, value)
}

/** Sets a setting unless it is set; returns its value. */
export function* claimSetting(name: string, value: string): Rule<string> {
  const known = yield* getSetting(name)
  if (known === undefined) yield* upsertSetting(name, value)
  return known ?? value
}

/** Reserves `count` numbers, in a cluster for a node; returns the first. */
export function* reserveNumbers(name: CounterName, count: number, node?: string): Rule<number> {
  const last = (yield* reserve(name, count))?.value ?? count
  const first = last - count + 1
  if (node === undefined) return first
  // Consecutive reservations of a node share a row.
  const extended = yield* extendRange(last, name, first - 1, node)
  if (extended === undefined) yield* insertRange(name, last, first, node)
  return first
}

/**
 * Leaves out numbers: if the database is later replaced by an older copy, that one reserves others
 * than before. `owner`: in a cluster, who may use the numbers.
 */
export function* skipNumbers(counts: Skips, owner?: string): Rule<void> {
  for (const name of ['inode', 'chunk'] as const) yield* reserveNumbers(name, counts[name], owner)
}

/** Random, because an older copy knows nothing of what was reserved since. */
export function randomSkips(): Skips {
  return {
    inode: randomInt(1, metadataLimits.skippedInodes),
    chunk: randomInt(1, metadataLimits.skippedChunks),
  }
}

/** One page in order, after the number `after`. */
export function* numberRanges(name: CounterName, after: number, most: number): Rule<NumberRange[]> {
  return yield* selectRanges(name, after, most)
}

/** Creates the root directory if it does not exist. */
export function* createRoot(time: Timestamp): Rule<void> {
  if ((yield* selectRoot()) !== undefined) return
  const { sec, nsec } = time
  yield* insertRoot(S_IFDIR | 0o755, sec, nsec, sec, nsec, sec, nsec)
  // Inode 1 is the root; positions 1 and 2 of a directory are those of "." and "..".
  yield* reserveNumbers('inode', 1)
  yield* reserveNumbers('entry', 2)
}

/** Number of inodes, and the sum of their sizes. */
export interface Totals {
  files: number
  bytes: number
}

/** Counts all inodes; an engine may maintain the totals instead. */
export function* totals(): Rule<Totals> {
  return (yield* selectTotals()) ?? { files: 0, bytes: 0 }
}
