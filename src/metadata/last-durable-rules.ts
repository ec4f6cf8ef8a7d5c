/**
 * The last durable version of a file, kept until a later version is durable, for the case that the
 * later one is lost with its node. `past_file` has its size; `past` has the references that later
 * commits replaced or cut, and a row without id where they filled a hole. References that no later
 * commit touched stay in `chunk`.
 *
 * Invariants: a file has a past if and only if it has pending chunks that were committed after it
 * was durable. An object is in the trash only if neither `chunk` nor `past` refers to it.
 */
import type { Timestamp } from '../base/clock.ts'
import { FsError } from '../base/fs-error.ts'
import { getInode, updateSize } from './inode-rules.ts'
import { change, one, type Rule } from './statement.ts'

const PAST = 'past (ino, idx, id, length, object_length, crc)'
const FROM_CHUNK = 'SELECT ino, idx, id, length, object_length, crc FROM chunk'
const IS_PAST = `EXISTS (SELECT 1 FROM past
  WHERE past.ino = chunk.ino AND past.idx = chunk.idx AND past.id = chunk.id)`
const IS_TOUCHED = 'EXISTS (SELECT 1 FROM past WHERE past.ino = chunk.ino AND past.idx = chunk.idx)'

interface LastDurableVersion {
  size: number
  blocks: number
  mtimeSec: number
  mtimeNsec: number
}

export const findLastDurable =
  one<LastDurableVersion>(`SELECT size, blocks, mtime_sec AS "mtimeSec",
  mtime_nsec AS "mtimeNsec" FROM past_file WHERE ino = ?`)
const selectPendingUploads = one<{ id: number }>(
  'SELECT id FROM chunk WHERE ino = ? AND durable = 0 LIMIT 1',
)
const selectLastDurable = one<{ id: number }>(
  'SELECT id FROM past WHERE ino = ? AND idx = ? AND id = ?',
)
const insertFile = change(
  'last-durable.insertFile',
  `INSERT INTO past_file (ino, size, blocks, mtime_sec, mtime_nsec)
  SELECT ino, size, blocks, mtime_sec, mtime_nsec FROM inode WHERE ino = ?`,
)
const keepOne = change(
  'last-durable.keepOne',
  `INSERT INTO ${PAST} ${FROM_CHUNK} WHERE ino = ? AND idx = ? ON CONFLICT (ino, idx) DO NOTHING`,
)
const keepRange = change(
  'last-durable.keepRange',
  `INSERT INTO ${PAST} ${FROM_CHUNK}
  WHERE ino = ? AND idx >= ? AND idx < ? ON CONFLICT (ino, idx) DO NOTHING`,
)
const keepHole = change(
  'last-durable.keepHole',
  `INSERT INTO ${PAST} VALUES (?, ?, 0, 0, 0, NULL) ON CONFLICT (ino, idx) DO NOTHING`,
)
export const trashFrom = change(
  'last-durable.trashFrom',
  `INSERT INTO trash (id, ino, idx)
  SELECT id, ino, idx FROM chunk WHERE ino = ? AND idx >= ? AND durable = 1 AND NOT ${IS_PAST}
  ON CONFLICT (id) DO NOTHING`,
)
const trashOne = change(
  'last-durable.trashOne',
  `INSERT INTO trash (id, ino, idx)
  SELECT id, ino, idx FROM chunk
  WHERE ino = ? AND idx = ? AND durable = 1 AND id <> ? AND NOT ${IS_PAST}
  ON CONFLICT (id) DO NOTHING`,
)
const trashLastDurable = change(
  'last-durable.trashLastDurable',
  `INSERT INTO trash (id, ino, idx) SELECT id, ino, idx FROM past
  WHERE ino = ? AND id <> 0 AND NOT EXISTS (SELECT 1 FROM chunk
    WHERE chunk.ino = past.ino AND chunk.idx = past.idx AND chunk.id = past.id)
  ON CONFLICT (id) DO NOTHING`,
)
const trashLater = change(
  'last-durable.trashLater',
  `INSERT INTO trash (id, ino, idx) SELECT id, ino, idx FROM chunk
  WHERE ino = ? AND durable = 1 AND (idx >= ? OR ${IS_TOUCHED}) AND NOT ${IS_PAST}
  ON CONFLICT (id) DO NOTHING`,
)
const deleteLater = change(
  'last-durable.deleteLater',
  `DELETE FROM chunk WHERE ino = ? AND (idx >= ? OR ${IS_TOUCHED})`,
)
const restoreChunks = change(
  'last-durable.restoreChunks',
  `INSERT INTO chunk (ino, idx, id, length, object_length, crc, durable,
  holders) SELECT ino, idx, id, length, object_length, crc, 1, '' FROM past
  WHERE ino = ? AND id <> 0`,
)
const deleteLastDurable = change('last-durable.deleteLastDurable', 'DELETE FROM past WHERE ino = ?')
const deleteFile = change('last-durable.deleteFile', 'DELETE FROM past_file WHERE ino = ?')

/** Whether an object belongs to the last durable version. */
export function* isSuperseded(ino: number, index: number, id: number): Rule<boolean> {
  return (yield* selectLastDurable(ino, index, id)) !== undefined
}

/** Call before a commit with chunks: the current version, if it is durable, becomes the past. */
export function* beginLastDurable(ino: number, size: number): Rule<void> {
  if (size === 0 || (yield* findLastDurable(ino)) || (yield* selectPendingUploads(ino))) return
  yield* insertFile(ino)
}

/** Call before the reference at an index is replaced. */
export function* preserveReplaced(
  ino: number,
  index: number,
  id: number,
  chunkSize: number,
): Rule<void> {
  const past = yield* findLastDurable(ino)
  if (past && index * chunkSize < past.size) {
    yield* keepOne(ino, index)
    yield* keepHole(ino, index)
  }
  yield* trashOne(ino, index, id)
}

/** Call before references from index `first` on are dropped and the one before may be cut. */
export function* preserveDropped(ino: number, first: number, chunkSize: number): Rule<void> {
  const past = yield* findLastDurable(ino)
  if (past) yield* keepRange(ino, Math.max(0, first - 1), Math.ceil(past.size / chunkSize))
  yield* trashFrom(ino, first)
}

/** Ends the past if all later chunks are durable. */
export function* settleLastDurable(ino: number): Rule<void> {
  if ((yield* findLastDurable(ino)) && !(yield* selectPendingUploads(ino)))
    yield* endLastDurable(ino)
}

export function* endLastDurable(ino: number): Rule<void> {
  yield* trashLastDurable(ino)
  yield* deleteLastDurable(ino)
  yield* deleteFile(ino)
}

/**
 * Restores the last durable version as the content of the file. Throws ENODATA if there is none.
 */
export function* restorePast(ino: number, chunkSize: number, time: Timestamp): Rule<void> {
  yield* getInode(ino)
  const past = yield* findLastDurable(ino)
  if (past === undefined) throw new FsError('ENODATA', 'the file has no durable version to restore')
  const { size, blocks, mtimeSec, mtimeNsec } = past
  const end = Math.ceil(size / chunkSize)
  yield* trashLater(ino, end)
  yield* deleteLater(ino, end)
  yield* restoreChunks(ino)
  yield* deleteLastDurable(ino)
  yield* deleteFile(ino)
  yield* updateSize(size, blocks, mtimeSec, mtimeNsec, time.sec, time.nsec, ino)
}
