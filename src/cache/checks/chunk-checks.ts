/**
 * Compares bytes in the cache with their CRC-32, which is in the metadata for clean chunks and in
 * the journal for pending ones (pending-checksums.ts). A damaged clean chunk leaves the cache and
 * is fetched from the cloud again. A damaged pending chunk is lost, and its bytes are kept for
 * people. Main thread.
 */
import { closeSync, openSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { DamagedFolder } from '../../tiers/nvme/damaged-folder.ts'
import { cacheLimits } from '../limits.ts'
import { giveUpChunks, settleShort } from './lost-chunks.ts'
import { CLEAN, PENDING, type LocalChunk } from '../state/chunk-table.ts'
import type { NodeCache } from '../state/node-cache.ts'

/** `unknown`: there is no checksum to compare with. */
export type ChunkState = 'intact' | 'damaged' | 'unknown'

interface Wanted {
  length: number
  crc: number
}

/** Part of a chunk that is being checked. Checks are synchronous, so it has one user at a time. */
const block = Buffer.allocUnsafeSlow(cacheLimits.checkBlockBytes)

/** Expected length and CRC-32 of a chunk in the backing file; undefined if there is no checksum. */
export function wantedOf(cache: NodeCache, ino: number, row: LocalChunk): Wanted | undefined {
  const { chunks, uploads, index, shared } = cache
  const open = shared.findOpen(ino)
  // Untracked writes (cache/passthrough/passthrough-writes.ts, cache/passthrough/mmap-writes.ts)
  // are valid and change the bytes.
  if (open?.passthroughWrites === true || open?.mapped === true) return undefined
  if (row.state === CLEAN) {
    const found = index.find(ino, row.index)
    if (found?.id !== row.id) return undefined
    const isWhole = row.length === found.objectLength
    const crc = isWhole ? found.crc : chunks.crcOf(ino, row.index)
    return crc == null ? undefined : { length: row.length, crc }
  }
  const upload = row.state === PENDING ? uploads.find(ino, row.index) : undefined
  if (upload?.id !== row.id || upload.source !== null || upload.crc === null) return undefined
  return { length: upload.length, crc: upload.crc }
}

/**
 * CRC-32 of the first `length` bytes of a clean chunk, which are about to be all of it. Undefined:
 * the chunk has no checksum, or was damaged and has left the cache. Call under the lock of the
 * inode.
 */
export function checksumOfPart(
  cache: NodeCache,
  ino: number,
  row: LocalChunk,
  length: number,
): number | undefined {
  const state = row.state === CLEAN ? checkChunk(cache, ino, row) : 'unknown'
  if (state === 'damaged') dropDamaged(cache, ino, row)
  return state === 'intact' ? checksumOf(cache, ino, row.index, length) : undefined
}

/** CRC-32 of the first `length` bytes of a chunk in the backing file; undefined: it has fewer. */
function checksumOf(
  { files, settings }: NodeCache,
  ino: number,
  index: number,
  length: number,
): number | undefined {
  let crc = 0
  for (let at = 0; at < length;) {
    const part = block.subarray(0, length - at)
    if (files.read(ino, part, index * settings.chunkSize + at) < part.length) return undefined
    crc = crc32(part, crc)
    at += part.length
  }
  return crc
}

/** Call under the lock of the inode. */
export function checkChunk(cache: NodeCache, ino: number, row: LocalChunk): ChunkState {
  const wanted = wantedOf(cache, ino, row)
  if (wanted === undefined) return 'unknown'
  return checksumOf(cache, ino, row.index, wanted.length) === wanted.crc ? 'intact' : 'damaged'
}

/** Call when a backing file is not as it was left: gives up its absent and damaged chunks. */
export async function verifyFile(cache: NodeCache, ino: number): Promise<void> {
  const { shared, chunks } = cache
  shared.withInode(ino, () => {
    // Descriptors of a file that was replaced must not be used any more.
    shared.bumpFile(ino)
    settleShort(cache, ino)
  })
  for (let from = 0; ;) {
    const row = chunks.from(ino, from, 1)[0]
    if (row === undefined) return
    verifyChunk(cache, ino, row.index)
    from = row.index + 1
    // Lets other events of the main thread run.
    await new Promise(setImmediate)
  }
}

/** Checks a chunk, and drops it if it is damaged. */
export function verifyChunk(cache: NodeCache, ino: number, index: number): ChunkState {
  const { chunks, shared, files } = cache
  return shared.withInode(ino, () => {
    // It may have been evicted in the meantime.
    if (!chunks.find(ino, index)) return 'unknown'
    // Programs that open the file from now on read the other file.
    if (files.isReplaced(ino)) shared.bumpFile(ino)
    settleShort(cache, ino)
    const row = chunks.find(ino, index)
    if (row === undefined) return 'damaged'
    const state = checkChunk(cache, ino, row)
    if (state === 'damaged') dropDamaged(cache, ino, row)
    return state
  })
}

/** Gives up a chunk whose bytes do not match its CRC-32. Call under the lock of the inode. */
export function dropDamaged(cache: NodeCache, ino: number, row: LocalChunk): void {
  const what = `the CRC-32 of its bytes in ${cache.files.path(ino)} is another`
  giveUpChunks(
    cache,
    ino,
    [row],
    row.state === PENDING ? what + keepDamaged(cache, ino, row) : what,
  )
}

/** Copies the damaged bytes; returns where they are, for the reason of the loss. */
function keepDamaged({ settings, files }: NodeCache, ino: number, row: LocalChunk): string {
  const folder = new DamagedFolder(settings.directory)
  const { index, id, length } = row
  const kept = folder.keep(`${ino}-${index}-${id}`, length, (path) => {
    const fd = openSync(path, 'wx', 0o600)
    try {
      files.copyTo(fd, 0, ino, index * settings.chunkSize, length)
    } finally {
      closeSync(fd)
    }
  })
  if (kept !== undefined) return `; they are kept in ${kept}`
  return `; they stay there, because ${folder.path} is full`
}
