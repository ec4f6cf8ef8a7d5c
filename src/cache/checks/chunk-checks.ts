/**
 * Bytes in the cache compared with their CRC-32: of clean chunks the metadata has it, of those that
 * wait for upload the journal (pending-checksums.ts). A clean chunk that is another leaves the
 * cache and comes from the cloud again; another one is lost, and its bytes are kept for people.
 * Main thread.
 */
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { makePrivateFolder } from '../../base/private-folder.ts'
import { cacheLimits } from '../limits.ts'
import { giveUpChunks, settleShort } from './lost-chunks.ts'
import { CLEAN, PENDING, type LocalChunk } from '../state/node-database.ts'
import type { NodeCache } from '../state/node-cache.ts'

/** `unknown`: there is nothing to compare it with. */
export type ChunkState = 'intact' | 'damaged' | 'unknown'

interface Wanted {
  length: number
  crc: number
}

/** What the backing file has to have of a chunk; undefined: that is not known. */
export function wantedOf(cache: NodeCache, ino: number, row: LocalChunk): Wanted | undefined {
  const { database, index, shared } = cache
  const open = shared.findOpen(ino)
  // Others may write it unseen (cache/passthrough/passthrough-writes.ts,
  // cache/passthrough/mmap-writes.ts): that counts as written.
  if (open?.passthroughWrites === true || open?.mapped === true) return undefined
  if (row.state === CLEAN) {
    const found = index.find(ino, row.index)
    const isWhole = found?.id === row.id && found.length === found.objectLength
    if (!isWhole || found.crc === null || row.length !== found.length) return undefined
    return { length: found.length, crc: found.crc }
  }
  const upload = row.state === PENDING ? database.upload(ino, row.index) : undefined
  if (upload?.id !== row.id || upload.source !== null || upload.crc === null) return undefined
  return { length: upload.length, crc: upload.crc }
}

/** Under the inode's lock. */
export function checkChunk(cache: NodeCache, ino: number, row: LocalChunk): ChunkState {
  const wanted = wantedOf(cache, ino, row)
  if (wanted === undefined) return 'unknown'
  const data = Buffer.allocUnsafe(wanted.length)
  const read = cache.files.read(ino, data, row.index * cache.settings.chunkSize)
  return read === data.length && crc32(data) === wanted.crc ? 'intact' : 'damaged'
}

/** A backing file is not as it was left: what it lacks, and what in it is another. */
export async function verifyFile(cache: NodeCache, ino: number): Promise<void> {
  const { shared, database } = cache
  shared.withInode(ino, () => {
    // Whoever has the file open that was there before must not go on with it.
    shared.bumpFile(ino)
    settleShort(cache, ino)
  })
  for (let from = 0; ;) {
    const row = database.chunksFrom(ino, from, 1)[0]
    if (row === undefined) return
    verifyChunk(cache, ino, row.index)
    from = row.index + 1
    // Others have their turn.
    await new Promise(setImmediate)
  }
}

/** Drops it where it is damaged. */
export function verifyChunk(cache: NodeCache, ino: number, index: number): ChunkState {
  const { database, shared } = cache
  return shared.withInode(ino, () => {
    // It may have been evicted meanwhile.
    if (!database.chunk(ino, index)) return 'unknown'
    settleShort(cache, ino)
    const row = database.chunk(ino, index)
    if (row === undefined) return 'damaged'
    const state = checkChunk(cache, ino, row)
    if (state === 'damaged') dropDamaged(cache, ino, row)
    return state
  })
}

/** Its bytes are others than those that were stored; under the inode's lock. */
export function dropDamaged(cache: NodeCache, ino: number, row: LocalChunk): void {
  const what = `the CRC-32 of its bytes in ${cache.files.path(ino)} is another`
  const kept = row.state === PENDING ? keepDamaged(cache, ino, row) : undefined
  giveUpChunks(cache, ino, [row], kept === undefined ? what : `${what}; they are kept in ${kept}`)
}

/** The path of a copy; undefined: there are too many. */
function keepDamaged(cache: NodeCache, ino: number, row: LocalChunk): string | undefined {
  const { settings, files } = cache
  const folder = join(settings.directory, 'damaged')
  makePrivateFolder(folder)
  if (readdirSync(folder).length >= cacheLimits.damagedKept) return undefined
  const path = join(folder, `${ino}-${row.index}-${row.id}`)
  rmSync(path, { force: true })
  const fd = openSync(path, 'wx', 0o600)
  try {
    files.copyTo(fd, 0, ino, row.index * settings.chunkSize, row.length)
  } finally {
    closeSync(fd)
  }
  return path
}
