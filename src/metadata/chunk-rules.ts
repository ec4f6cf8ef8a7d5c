/**
 * Rules of file content: which chunk id each index refers to, and the size of the file. A commit
 * makes size, times and chunk ids visible together. Removing a reference puts its object into the
 * trash, from which garbage collection deletes it in the cloud.
 */
import { laterOf, type Timestamp } from '../base/clock.ts'
import { FsError } from '../base/fs-error.ts'
import { endExclusive } from './domain-rules.ts'
import {
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  findInode,
  getInode,
  updateSize,
  type InodeRow,
} from './inode-rules.ts'
import {
  beginLastDurable,
  endLastDurable,
  findLastDurable,
  isSuperseded,
  preserveDropped,
  preserveReplaced,
  settleLastDurable,
  trashFrom,
} from './last-durable-rules.ts'
import { change, changeReturning, many, one, type Rule } from './statement.ts'

/** Reference to the content of one chunk of a file. */
export interface ChunkReference {
  ino: number
  index: number
  /** Identifies one immutable content; never reused. */
  id: number
  /** Bytes of the object that belong to the file; less than `objectLength` after a truncate. */
  length: number
  /** Size of the object in bytes. */
  objectLength: number
  /** CRC-32 of the object; null until it is durable or has replicas. */
  crc: number | null
  /** 1 if the cloud has the object. */
  durable: number
  /** Ids of nodes with the data, comma separated, the writer first. Empty: this node only. */
  holders: string
}

/** In the order of `ChunkReference`. */
export const CHUNK_COLUMNS = `ino, idx AS "index", id, length,
  object_length AS "objectLength", crc, durable, holders`

export const findChunk = one<ChunkReference>(
  `SELECT ${CHUNK_COLUMNS} FROM chunk WHERE ino = ? AND idx = ?`,
)
/** References from an index on, in order, one page. */
export const listChunks = many<ChunkReference>(
  `SELECT ${CHUNK_COLUMNS} FROM chunk WHERE ino = ? AND idx >= ? ORDER BY idx LIMIT ?`,
)
export const findNextChunk = one<ChunkReference>(
  `SELECT ${CHUNK_COLUMNS} FROM chunk WHERE ino = ? AND idx >= ? ORDER BY idx LIMIT 1`,
)
const deleteFrom = change('chunk.deleteFrom', 'DELETE FROM chunk WHERE ino = ? AND idx >= ?')
const trimTail = change(
  'chunk.trimTail',
  'UPDATE chunk SET length = ? WHERE ino = ? AND idx = ? AND length > ?',
)
const upsertChunk = change(
  'chunk.upsertChunk',
  `INSERT INTO chunk (ino, idx, id, length, object_length, crc,
  durable, holders) VALUES (?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT (ino, idx) DO UPDATE SET
  id = excluded.id, length = excluded.length, object_length = excluded.object_length,
  crc = excluded.crc, durable = 0, holders = excluded.holders`,
)
const setDurable = changeReturning<{ id: number }>(
  'chunk.setDurable',
  `UPDATE chunk SET durable = 1, crc = ?
  WHERE ino = ? AND idx = ? AND id = ? RETURNING id`,
)
const updateHolders = changeReturning<{ id: number }>(
  'chunk.updateHolders',
  `UPDATE chunk SET holders = ?,
  crc = COALESCE(?, crc) WHERE ino = ? AND idx = ? AND id = ? AND durable = 0 RETURNING id`,
)
const deleteInode = change('chunk.deleteInode', 'DELETE FROM inode WHERE ino = ?')
const deleteXattrs = change('chunk.deleteXattrs', 'DELETE FROM xattr WHERE ino = ?')
const insertTrash = change(
  'chunk.insertTrash',
  'INSERT INTO trash (id, ino, idx) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING',
)
export const listTrash = many<{ id: number; ino: number; index: number }>(
  'SELECT id, ino, idx AS "index" FROM trash WHERE id > ? ORDER BY id LIMIT ?',
)
const deleteTrash = change('chunk.deleteTrash', 'DELETE FROM trash WHERE id = ?')
const selectOrphans = many<{ ino: number }>(
  'SELECT ino FROM inode WHERE nlink = 0 AND ino > ? ORDER BY ino LIMIT ?',
)
/** Pending uploads of a file; a partial index covers only these rows. */
const selectPending = one<{ chunks: number; bytes: number }>(
  `SELECT COUNT(*) AS chunks, COALESCE(SUM(length), 0) AS bytes FROM chunk
    WHERE ino = ? AND durable = 0`,
)
const countOf = one<{ count: number; pendingUploads: number }>(
  `SELECT COUNT(*) AS count, COALESCE(SUM(1 - durable), 0) AS "pendingUploads"
    FROM chunk WHERE ino = ?`,
)

/** Content of a file as published by a close or fsync. */
export interface ContentCommit {
  size: number
  /**
   * The file was truncated to this size since the last commit: older references beyond are void.
   */
  floor: number
  blocks: number
  mtime: Timestamp
  ctime: Timestamp
  chunks: readonly CommittedPart[]
  /** Version that the writer started from; undefined if nobody else can have committed. */
  base?: number | undefined
}

export interface CommittedPart {
  index: number
  id: number
  length: number
  /** As in `ChunkReference`; empty if omitted. */
  holders?: string | undefined
  /** As in `ChunkReference`; undefined if not known yet. */
  crc?: number | undefined
}

/** Result of a commit. */
export interface Committed {
  version: number
}

/** Throws ESTALE if the current version is not the one that the commit is based on. */
export function* commitContent(
  ino: number,
  commit: ContentCommit,
  chunkSize: number,
): Rule<Committed> {
  const before = yield* getInode(ino)
  if ((before.mode & S_IFMT) !== S_IFREG) {
    throw new FsError('EINVAL', `inode ${ino} is not a regular file and has no content`)
  }
  if (commit.chunks.some(({ length }) => length > chunkSize)) {
    throw new FsError('EINVAL', `a chunk of inode ${ino} exceeds the chunk size`)
  }
  if (commit.base !== undefined && commit.base !== before.version) {
    throw new FsError('ESTALE', `the content of inode ${ino} was changed by another node`)
  }
  if (before.version > 0 || before.size > 0) yield* dropReplaced(before, commit, chunkSize)
  for (const { index, id, length, holders = '', crc = null } of commit.chunks) {
    yield* upsertChunk(ino, index, id, length, length, crc, holders)
  }
  const { mtime, size, blocks } = commit
  // An attribute change between the write and its commit is later, so the later ctime counts.
  const ctime = laterOf(commit.ctime, { sec: before.ctimeSec, nsec: before.ctimeNsec })
  yield* updateSize(size, blocks, mtime.sec, mtime.nsec, ctime.sec, ctime.nsec, ino)
  if (commit.chunks.length === 0) yield* settleLastDurable(ino)
  return { version: before.version + 1 }
}

/** Drops the part of the old content that the commit replaces. */
function* dropReplaced(
  { ino, size }: InodeRow,
  { chunks, floor, size: newSize }: ContentCommit,
  chunkSize: number,
): Rule<void> {
  if (chunks.length > 0) yield* beginLastDurable(ino, size)
  yield* cut(ino, Math.min(floor, newSize), chunkSize)
  for (const { index, id } of chunks) yield* preserveReplaced(ino, index, id, chunkSize)
}

/** Commits the contents of many files: all are published, or none. */
export function* commitContents(
  commits: readonly { ino: number; commit: ContentCommit }[],
  chunkSize: number,
): Rule<void> {
  for (const { ino, commit } of commits) yield* commitContent(ino, commit, chunkSize)
}

/** Drops references at and beyond `size`; the chunk that contains `size` keeps its start. */
function* cut(ino: number, size: number, chunkSize: number): Rule<void> {
  const first = Math.ceil(size / chunkSize)
  yield* preserveDropped(ino, first, chunkSize)
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

/** Returns false if the reference has changed; the caller must then discard the object. */
export function* markDurable(ino: number, index: number, id: number, crc: number): Rule<boolean> {
  if ((yield* setDurable(crc, ino, index, id)) === undefined) return false
  yield* settleLastDurable(ino)
  return true
}

/** Like `markDurable` for many chunks; returns for each whether its reference still existed. */
export function* markAllDurable(chunks: readonly DurableMark[]): Rule<boolean[]> {
  const applied: boolean[] = []
  for (const { ino, index, id, crc } of chunks) {
    applied.push((yield* setDurable(crc, ino, index, id)) !== undefined)
  }
  const files = new Set(chunks.filter((_, at) => applied[at]).map(({ ino }) => ino))
  for (const ino of files) yield* settleLastDurable(ino)
  return applied
}

/**
 * Sets the nodes with replicas of a chunk that is pending upload, and its CRC-32 unless null.
 * Returns false if the reference has changed or is durable.
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

/** Deletes an unlinked inode with everything that belongs to it; returns its size in bytes. */
export function* purgeInode(ino: number): Rule<number> {
  const row = yield* findInode(ino)
  if (row !== undefined && row.nlink > 0) {
    throw new FsError('EINVAL', `inode ${ino} still has a name and cannot be purged`)
  }
  if (yield* findLastDurable(ino)) yield* endLastDurable(ino)
  yield* trashFrom(ino, 0)
  yield* deleteFrom(ino, 0)
  yield* deleteXattrs(ino)
  yield* deleteInode(ino)
  if (row && (row.mode & S_IFMT) === S_IFDIR) yield* endExclusive([ino])
  return row?.size ?? 0
}

/** Deletes an inode if it is unlinked; returns its size in bytes, undefined if it has a name. */
export function* purgeOrphan(ino: number): Rule<number | undefined> {
  const row = yield* findInode(ino)
  return row?.nlink === 0 ? yield* purgeInode(ino) : undefined
}

/** Like `purgeOrphan` for many inodes; returns those that were deleted. */
export function* purgeOrphans(inos: readonly number[]): Rule<number[]> {
  const gone: number[] = []
  for (const ino of inos) if ((yield* purgeOrphan(ino)) !== undefined) gone.push(ino)
  return gone
}

/** Puts an object into the trash unless it is still referenced. */
export function* discard(ino: number, index: number, id: number): Rule<void> {
  if ((yield* findChunk(ino, index))?.id === id || (yield* isSuperseded(ino, index, id))) return
  yield* insertTrash(id, ino, index)
}

export function* emptyTrash(ids: readonly number[]): Rule<void> {
  for (const id of ids) yield* deleteTrash(id)
}

/** Unlinked inodes after `after`, in order: open, or left by a process that died. */
export function* listOrphans(after: number, limit: number): Rule<number[]> {
  return (yield* selectOrphans(after, limit)).map((row) => row.ino)
}

/** The distinct holder lists of the pending uploads of a file. */
export const listHolders = many<{ holders: string }>(
  'SELECT DISTINCT holders FROM chunk WHERE ino = ? AND durable = 0 LIMIT ?',
)

/** Number of chunks of the committed content. */
export function* countChunks(ino: number): Rule<number> {
  return (yield* countOf(ino))?.count ?? 0
}

/** Pending uploads of the file. */
export function* pendingChunks(ino: number): Rule<{ chunks: number; bytes: number }> {
  return (yield* selectPending(ino)) ?? { chunks: 0, bytes: 0 }
}

export function* countPendingUploads(ino: number): Rule<number> {
  return (yield* countOf(ino))?.pendingUploads ?? 0
}
