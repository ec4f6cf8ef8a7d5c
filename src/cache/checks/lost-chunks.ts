/**
 * Bytes that a backing file has to have and has not: somebody or something removed it, or cut it.
 * What is durable leaves the cache and comes from the cloud again. What only this node had is lost:
 * reading it is EIO, for exactly that chunk, it is never uploaded, and the node's database names it
 * until the file has another content there.
 *
 * Invariant: a backing file reaches to the end of every chunk that the database has of it, so that
 * a hole at the end of a file cannot be confused with loss (`coverChunks`).
 */
import { isMainThread } from 'node:worker_threads'
import { Suspended } from '../../base/suspended.ts'
import { FsError } from '../../base/fs-error.ts'
import { loggerOf } from '../../base/log/logger.ts'
import { removePreImages } from '../write/pre-images.ts'
import type { WaitCondition } from '../waiting/wait-condition.ts'
import {
  CLEAN,
  DIRTY,
  PENDING,
  type LocalChunk,
  type LostChunk,
  type Upload,
} from '../state/node-database.ts'
import type { NodeCache } from '../state/node-cache.ts'

/** Where the bytes of a chunk end in the backing file, of a file of so many; 0: it has none. */
function endOf(cache: NodeCache, size: number, row: LocalChunk): number {
  const { index, state, id } = row
  if (state === CLEAN && id === 0) return 0
  const length = state === DIRTY ? cache.extent(index, size) : row.length
  return length === 0 ? 0 : index * cache.settings.chunkSize + length
}

/** How long the backing file has to be; under the inode's lock. */
function neededBytes(cache: NodeCache, ino: number, size?: number): number {
  if (cache.isHere(ino)) return cache.sizeOf(ino)
  const last = cache.database.lastChunk(ino)
  if (last === undefined) return 0
  return endOf(cache, size ?? (last.state === DIRTY ? cache.sizeOf(ino) : 0), last)
}

/** Bytes are missing at the end of the backing file; under the inode's lock. */
function isShort(cache: NodeCache, ino: number): boolean {
  const needed = neededBytes(cache, ino)
  return needed > 0 && (cache.files.stat(ino)?.size ?? 0) < needed
}

/** Before anything makes the backing file longer, or takes its length for that of the content. */
export function requireBytes(cache: NodeCache, ino: number): void {
  if (isShort(cache, ino)) throw mustVerify(ino)
}

/** The main thread is to find out what is missing. */
function mustVerify(ino: number): Suspended {
  const condition: WaitCondition = { kind: 'verify', ino }
  return new Suspended(condition)
}

/** Chunks up to there are about to be dirty: a hole at the end is part of the file then. */
export function coverChunks({ files }: NodeCache, ino: number, end: number): void {
  if ((files.stat(ino)?.size ?? 0) >= end) return
  files.make(ino)
  files.truncate(ino, end)
}

/**
 * Gives up chunks whose bytes are missing, as far as the length of the backing file tells; under
 * the inode's lock. `known`: its size, where the table of open inodes does not have it yet.
 */
export function settleShort(cache: NodeCache, ino: number, known?: number): void {
  const { database, files } = cache
  const stat = files.stat(ino)
  const there = stat?.size ?? 0
  const needed = neededBytes(cache, ino, known)
  if (there >= needed) return
  const size = known ?? cache.sizeOf(ino)
  const rows = database.chunksFrom(ino, 0, Number.MAX_SAFE_INTEGER)
  const short = rows.filter((row) => endOf(cache, size, row) > there)
  const unknown = cache.isHere(ino) ? unknownRows(cache, there, needed, rows) : []
  const path = files.path(ino)
  const reason =
    stat === undefined
      ? `its file ${path} was removed`
      : `its file ${path} was cut to ${there} bytes, of ${needed}`
  giveUpChunks(cache, ino, [...short, ...unknown], reason, size)
  // Of what is written and not committed, it is noted which chunks are lost; it may be written on.
  coverChunks(cache, ino, neededBytes(cache, ino, known))
}

/** Of a file whose chunks only the table of open inodes knows. */
function unknownRows(
  { settings }: NodeCache,
  there: number,
  needed: number,
  rows: readonly LocalChunk[],
): LocalChunk[] {
  const known = new Set(rows.map((row) => row.index))
  const lost: LocalChunk[] = []
  for (let at = Math.floor(there / settings.chunkSize); at * settings.chunkSize < needed; at++) {
    const row = { index: at, state: DIRTY, id: 0, length: 0, accessed: 0 }
    if (!known.has(at)) lost.push(row)
  }
  return lost
}

/** Their bytes here are no content any more, for a reason; under the inode's lock. */
export function giveUpChunks(
  cache: NodeCache,
  ino: number,
  rows: readonly LocalChunk[],
  reason: string,
  size = cache.sizeOf(ino),
): void {
  if (rows.length === 0) return
  const { database, shared } = cache
  shared.bumpChunks(ino)
  database.transaction(() => {
    for (const row of rows) giveUp(cache, ino, row, reason, size)
  })
  const gone = rows.filter((row) => row.state !== DIRTY)
  const used = gone.reduce((sum, row) => sum + row.length, 0)
  const synced = gone.reduce((sum, row) => sum + (row.state === CLEAN ? row.length : 0), 0)
  shared.add('usedBytes', -used)
  shared.add('unsyncedBytes', synced - used)
  dropFile(cache, ino)
  shared.bumpChunks(ino)
  shared.bumpFile(ino)
  countLost(cache)
  const clean = rows.filter((row) => row.state === CLEAN).length
  if (clean === 0) return
  shared.add('damagedChunks', clean)
  if (!isMainThread) return
  const what = `${clean} chunks of inode ${ino} are fetched from the cloud again`
  loggerOf('CACHE').warn(`${what}: ${reason}`)
}

/** Inside a transaction. */
function giveUp(
  cache: NodeCache,
  ino: number,
  row: LocalChunk,
  reason: string,
  size: number,
): void {
  const { database, index } = cache
  const at = row.index
  const lost = { ino, index: at, reason, sinceMs: Date.now() }
  if (row.state === DIRTY) {
    const length = cache.extent(at, size)
    if (database.lostChunk(ino, at)?.id !== 0) database.putLost({ ...lost, id: 0, length })
    return
  }
  database.deleteChunk(ino, at)
  if (row.state === CLEAN) return
  const upload = database.upload(ino, at)
  // It goes on from the copy that was set aside.
  if (upload?.id !== row.id || upload.source !== null) return
  if (index.find(ino, at)?.id === row.id) database.endUpload(upload)
  else database.deleteUpload(upload.seq)
  database.putLost({ ...lost, id: row.id, length: row.length })
}

/** A file that nothing is left of, unless programs may have it mapped. */
function dropFile({ database, shared, files }: NodeCache, ino: number): void {
  const isUsed =
    shared.findOpen(ino)?.ahead === true || shared.findOpen(ino)?.passthroughWrites === true
  if (isUsed || database.chunksFrom(ino, 0, 1).length > 0) return
  if (!files.isPassthrough(ino)) files.remove(ino)
}

/** What the counter says is what readers look at first. */
export function countLost({ database, shared }: NodeCache): void {
  shared.setCounter('lostChunks', database.countLost())
}

/** The chunk was lost before it was committed; asked for each chunk that is looked up. */
export function lostDirty(cache: NodeCache, ino: number, index: number): LostChunk | undefined {
  if (cache.shared.counter('lostChunks') === 0) return undefined
  const lost = cache.database.lostChunk(ino, index)
  return lost?.id === 0 ? lost : undefined
}

/** Who reads it, or waits for it, is told why. */
export class LostError extends FsError {
  constructor({ ino, index, reason }: LostChunk) {
    super('EIO', `chunk ${index} of inode ${ino} is lost: ${reason}`)
  }
}

/**
 * What an upload is to send cannot be read: true where that is no passing matter. Then it is lost,
 * unless the cache has the bytes as well. `drop`: gives a chunk up that the cache has, and that is
 * not as it was written; under the inode's lock.
 */
export function loseUpload(
  cache: NodeCache,
  upload: Upload,
  reason: string,
  drop: (row: LocalChunk) => void,
): boolean {
  const { database, files, shared, settings } = cache
  const { ino, index, seq, id } = upload
  // The disk itself is away.
  if (!files.isThere()) return false
  return shared.withInode(ino, () => {
    const now = database.upload(ino, index)
    if (now?.seq !== seq) return true
    const row = database.chunk(ino, index)
    const isCached = row?.id === id
    settleShort(cache, ino)
    if (now.source === null) {
      if (isCached && database.upload(ino, index)) drop(row)
      return true
    }
    if (isCached && database.chunk(ino, index)) {
      database.transaction(() => {
        database.setUploadSource(seq, null, index * settings.chunkSize)
        database.putChunk(ino, { ...row, state: PENDING })
      })
      if (row.state === CLEAN) shared.add('unsyncedBytes', row.length)
      return false
    }
    database.transaction(() => {
      database.endUpload(now)
      database.putLost({ ino, index, id, length: now.length, reason, sinceMs: Date.now() })
    })
    removePreImages(database, files, [now.source])
    countLost(cache)
    return true
  })
}
