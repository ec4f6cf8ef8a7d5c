/**
 * The rules of a file's content: which chunk id stands at which index, how long the file is. A
 * commit makes a new size, times and chunk ids visible together. A reference that is dropped leaves
 * its object in the trash, for the collector to delete from the cloud.
 */
import { laterOf, type Timestamp } from '../base/clock.ts'
import { FsError } from '../base/fs-error.ts'
import { S_IFMT, S_IFREG, findInode, getInode, updateSize, type InodeRow } from './inode-rules.ts'
import {
  beginPast,
  endPast,
  findPast,
  isPast,
  letGoFrom,
  letGoOne,
  settlePast,
  trashFrom,
} from './past-rules.ts'
import { change, changeReturning, many, one, type Rule } from './statement.ts'

/** Where the bytes of one chunk of a file are. */
export interface ChunkReference {
  ino: number
  index: number
  /** Names one immutable content; never reused. */
  id: number
  /** Bytes of the object that belong to the file: fewer than the object has after a truncate. */
  length: number
  /** Bytes of the object. */
  objectLength: number
  /** CRC-32 of the object; null until it is durable, or other nodes have copies. */
  crc: number | null
  /** 1: the cloud has it. */
  durable: number
  /** Nodes that have the bytes, comma separated: who committed them first. Empty: this one only. */
  holders: string
}

/** In the order of `ChunkReference`. */
export const CHUNK_COLUMNS = `ino, idx AS "index", id, length,
  object_length AS "objectLength", crc, durable, holders`

export const findChunk = one<ChunkReference>(
  `SELECT ${CHUNK_COLUMNS} FROM chunk WHERE ino = ? AND idx = ?`,
)
/** References from an index on, in order, a page at a time. */
export const listChunks = many<ChunkReference>(
  `SELECT ${CHUNK_COLUMNS} FROM chunk WHERE ino = ? AND idx >= ? ORDER BY idx LIMIT ?`,
)
export const findNextChunk = one<ChunkReference>(
  `SELECT ${CHUNK_COLUMNS} FROM chunk WHERE ino = ? AND idx >= ? ORDER BY idx LIMIT 1`,
)
const deleteFrom = change('DELETE FROM chunk WHERE ino = ? AND idx >= ?')
const trimTail = change('UPDATE chunk SET length = ? WHERE ino = ? AND idx = ? AND length > ?')
const upsertChunk = change(`INSERT INTO chunk (ino, idx, id, length, object_length, crc,
  durable, holders) VALUES (?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT (ino, idx) DO UPDATE SET
  id = excluded.id, length = excluded.length, object_length = excluded.object_length,
  crc = excluded.crc, durable = 0, holders = excluded.holders`)
const setDurable = changeReturning<{ id: number }>(`UPDATE chunk SET durable = 1, crc = ?
  WHERE ino = ? AND idx = ? AND id = ? RETURNING id`)
const updateHolders = changeReturning<{ id: number }>(`UPDATE chunk SET holders = ?,
  crc = COALESCE(?, crc) WHERE ino = ? AND idx = ? AND id = ? AND durable = 0 RETURNING id`)
const deleteInode = change('DELETE FROM inode WHERE ino = ?')
const deleteXattrs = change('DELETE FROM xattr WHERE ino = ?')
const insertTrash = change(
  'INSERT INTO trash (id, ino, idx) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING',
)
export const listTrash = many<{ id: number; ino: number; index: number }>(
  'SELECT id, ino, idx AS "index" FROM trash ORDER BY id LIMIT ?',
)
const deleteTrash = change('DELETE FROM trash WHERE id = ?')
const selectOrphans = many<{ ino: number }>(
  'SELECT ino FROM inode WHERE nlink = 0 AND ino > ? ORDER BY ino LIMIT ?',
)
/** What of a file the cloud does not have yet; an index has these alone. */
const selectPending = one<{ chunks: number; bytes: number }>(
  `SELECT COUNT(*) AS chunks, COALESCE(SUM(length), 0) AS bytes FROM chunk
    WHERE ino = ? AND durable = 0`,
)
const countOf = one<{ count: number; undurable: number }>(
  'SELECT COUNT(*) AS count, COALESCE(SUM(1 - durable), 0) AS undurable FROM chunk WHERE ino = ?',
)

/** A file's content as a close or fsync publishes it. */
export interface ContentCommit {
  size: number
  /** Bytes from here on were cut off since the last commit: older references there are void. */
  floor: number
  blocks: number
  mtime: Timestamp
  ctime: Timestamp
  chunks: readonly CommittedPart[]
  /** Version that it began from; undefined where nobody else can have committed. */
  base?: number | undefined
}

export interface CommittedPart {
  index: number
  id: number
  length: number
  /** As in `ChunkReference`; empty where it is not given. */
  holders?: string | undefined
  /** As in `ChunkReference`; undefined where it is not known yet. */
  crc?: number | undefined
}

/** What a commit brought about. */
export interface Committed {
  version: number
}

/** ESTALE where the content is not the one that the commit began from. */
export function* commitContent(
  ino: number,
  commit: ContentCommit,
  chunkSize: number,
): Rule<Committed> {
  const before = yield* getInode(ino)
  if ((before.mode & S_IFMT) !== S_IFREG) {
    throw new FsError('EINVAL', `inode ${ino} is no regular file and has no content`)
  }
  if (commit.chunks.some(({ length }) => length > chunkSize)) {
    throw new FsError('EINVAL', `a chunk of inode ${ino} is larger than chunks are`)
  }
  if (commit.base !== undefined && commit.base !== before.version) {
    throw new FsError('ESTALE', `the content of inode ${ino} was changed elsewhere meanwhile`)
  }
  if (before.version > 0 || before.size > 0) yield* letGo(before, commit, chunkSize)
  for (const { index, id, length, holders = '', crc = null } of commit.chunks) {
    yield* upsertChunk(ino, index, id, length, length, crc, holders)
  }
  const { mtime, size, blocks } = commit
  // Who changed attributes between a write and its commit was the last to change the inode.
  const ctime = laterOf(commit.ctime, { sec: before.ctimeSec, nsec: before.ctimeNsec })
  yield* updateSize(size, blocks, mtime.sec, mtime.nsec, ctime.sec, ctime.nsec, ino)
  if (commit.chunks.length === 0) yield* settlePast(ino)
  return { version: before.version + 1 }
}

/** What a commit replaces of the content before it. */
function* letGo(
  { ino, size }: InodeRow,
  { chunks, floor, size: newSize }: ContentCommit,
  chunkSize: number,
): Rule<void> {
  if (chunks.length > 0) yield* beginPast(ino, size)
  yield* cut(ino, Math.min(floor, newSize), chunkSize)
  for (const { index, id } of chunks) yield* letGoOne(ino, index, id, chunkSize)
}

/** Many files' contents at once: all are published, or none. */
export function* commitContents(
  commits: readonly { ino: number; commit: ContentCommit }[],
  chunkSize: number,
): Rule<void> {
  for (const { ino, commit } of commits) yield* commitContent(ino, commit, chunkSize)
}

/** Drops references at and beyond `size`; the one that `size` falls into keeps its head. */
function* cut(ino: number, size: number, chunkSize: number): Rule<void> {
  const first = Math.ceil(size / chunkSize)
  yield* letGoFrom(ino, first, chunkSize)
  yield* deleteFrom(ino, first)
  const rest = size % chunkSize
  if (rest !== 0) yield* trimTail(rest, ino, first - 1, rest)
}

/** A chunk that the cloud has, with the CRC-32 of its object. */
export interface DurableMark {
  ino: number
  index: number
  id: number
  crc: number
}

/** False where the reference is another by now (its object is then the caller's to discard). */
export function* markDurable(ino: number, index: number, id: number, crc: number): Rule<boolean> {
  if ((yield* setDurable(crc, ino, index, id)) === undefined) return false
  yield* settlePast(ino)
  return true
}

/** Which of these references hold, in their order: `markDurable` of many at once. */
export function* markAllDurable(chunks: readonly DurableMark[]): Rule<boolean[]> {
  const held: boolean[] = []
  for (const { ino, index, id, crc } of chunks) {
    held.push((yield* setDurable(crc, ino, index, id)) !== undefined)
  }
  const files = new Set(chunks.filter((_, at) => held[at]).map(({ ino }) => ino))
  for (const ino of files) yield* settlePast(ino)
  return held
}

/**
 * Which nodes have a chunk that the cloud does not have yet, and its CRC-32, null where that is not
 * said; false where that is over.
 */
export function* setHolders(
  ino: number,
  index: number,
  id: number,
  holders: string,
  crc: number | null = null,
): Rule<boolean> {
  return (yield* updateHolders(holders, crc, ino, index, id)) !== undefined
}

/** Removes an inode that has no name, with all that belongs to it; the bytes that it had. */
export function* purgeInode(ino: number): Rule<number> {
  const row = yield* findInode(ino)
  if (row !== undefined && row.nlink > 0) {
    throw new FsError('EINVAL', `inode ${ino} has a name: it cannot be purged`)
  }
  if (yield* findPast(ino)) yield* endPast(ino)
  yield* trashFrom(ino, 0)
  yield* deleteFrom(ino, 0)
  yield* deleteXattrs(ino)
  yield* deleteInode(ino)
  return row?.size ?? 0
}

/** Removes an inode that has no name; the bytes that it had, or undefined where it has one. */
export function* purgeOrphan(ino: number): Rule<number | undefined> {
  const row = yield* findInode(ino)
  return row?.nlink === 0 ? yield* purgeInode(ino) : undefined
}

/** As `purgeOrphan`, of many; those that went. */
export function* purgeOrphans(inos: readonly number[]): Rule<number[]> {
  const gone: number[] = []
  for (const ino of inos) if ((yield* purgeOrphan(ino)) !== undefined) gone.push(ino)
  return gone
}

/** Puts an object into the trash, unless something refers to it after all. */
export function* discard(ino: number, index: number, id: number): Rule<void> {
  if ((yield* findChunk(ino, index))?.id === id || (yield* isPast(ino, index, id))) return
  yield* insertTrash(id, ino, index)
}

export function* emptyTrash(ids: readonly number[]): Rule<void> {
  for (const id of ids) yield* deleteTrash(id)
}

/** Inodes without a name, in order from after one: open, or open when the process died. */
export function* listOrphans(after: number, limit: number): Rule<number[]> {
  return (yield* selectOrphans(after, limit)).map((row) => row.ino)
}

/** The different lists of holders of what the cloud does not have yet. */
export const listHolders = many<{ holders: string }>(
  'SELECT DISTINCT holders FROM chunk WHERE ino = ? AND durable = 0 LIMIT ?',
)

/** How many chunks the committed content has. */
export function* countChunks(ino: number): Rule<number> {
  return (yield* countOf(ino))?.count ?? 0
}

/** How many of them the cloud does not have yet. */
export function* pendingChunks(ino: number): Rule<{ chunks: number; bytes: number }> {
  return (yield* selectPending(ino)) ?? { chunks: 0, bytes: 0 }
}

export function* countUndurable(ino: number): Rule<number> {
  return (yield* countOf(ino))?.undurable ?? 0
}
