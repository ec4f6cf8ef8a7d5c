/**
 * Which chunks of a file are another content than is committed, where nobody was told of writes:
 * the kernel made them by itself (cache/passthrough/passthrough-writes.ts), or programs by way of
 * memory (cache/passthrough/mmap-writes.ts). What the metadata knows of a chunk is compared with
 * its bytes, so that costs reading all of the file that was committed.
 */
import { crc32 } from 'node:zlib'
import { SEEK_DATA } from '../../base/native-calls.ts'
import type { CommittedChunk } from './chunk-index.ts'
import { DIRTY, PENDING, type LocalChunk } from './node-database.ts'
import type { NodeCache } from './node-cache.ts'

/** A chunk, and what the node's database has of it. */
export interface Mark {
  index: number
  row: LocalChunk | undefined
}

/** The content as it is now. */
export interface UntrackedContent {
  /** Bytes. */
  size: number
  /** The metadata's chunks from here on are void. */
  voidFrom: number
}

/** Chunks that have changed and are not dirty; under the inode's lock. */
export function changedChunks(cache: NodeCache, ino: number, content: UntrackedContent): Mark[] {
  const { chunkSize } = cache.settings
  const marks: Mark[] = []
  for (let at = 0; at * chunkSize < content.size;) {
    const row = cache.database.chunk(ino, at)
    const committed = at * chunkSize < content.voidFrom ? cache.index.find(ino, at) : undefined
    if (row ? hasChanged(cache, ino, row, content) : !committed && dataFrom(cache, ino, at) === at)
      marks.push({ index: at, row })
    at = (row ?? committed) ? at + 1 : nextOf(cache, ino, at, content)
  }
  return marks
}

/** The chunk that the next data is in; Infinity: there is none. */
function dataFrom({ files, settings }: NodeCache, ino: number, at: number): number {
  const data = files.seek(ino, at * settings.chunkSize, SEEK_DATA)
  return data < 0 ? Infinity : Math.floor(data / settings.chunkSize)
}

/** The chunk after one that nothing is known of: holes are passed over at once. */
function nextOf(cache: NodeCache, ino: number, at: number, { voidFrom }: UntrackedContent): number {
  const next = at + 1
  const { index, database, settings } = cache
  const committed = index.findNext(ino, next)?.index ?? Infinity
  return Math.max(
    next,
    Math.min(
      dataFrom(cache, ino, next),
      database.chunksFrom(ino, next, 1)[0]?.index ?? Infinity,
      committed * settings.chunkSize < voidFrom ? committed : Infinity,
    ),
  )
}

function hasChanged(cache: NodeCache, ino: number, row: LocalChunk, content: UntrackedContent) {
  if (row.state === DIRTY || isCut(cache, ino, row)) return false
  if (row.length < cache.extent(row.index, content.size) && hasGrown(cache, ino, row)) return true
  const committed = cache.index.find(ino, row.index)
  return row.state === PENDING
    ? isPendingChanged(cache, ino, row)
    : !isAsCommitted(cache, ino, row, committed)
}

/** Its bytes are not all there: that is no change, but a loss (cache/checks/lost-chunks.ts). */
function isCut({ files, settings }: NodeCache, ino: number, { index, length }: LocalChunk) {
  return (files.stat(ino)?.size ?? 0) < index * settings.chunkSize + length
}

/** There are bytes behind those that it had. */
function hasGrown({ files, settings }: NodeCache, ino: number, { index, length }: LocalChunk) {
  const start = index * settings.chunkSize
  const data = files.seek(ino, start + length, SEEK_DATA)
  return data >= 0 && data < start + settings.chunkSize
}

/** What waits for its upload was kept aside, or is not known any more. */
function isPendingChanged({ database, files, settings }: NodeCache, ino: number, row: LocalChunk) {
  const upload = database.upload(ino, row.index)
  if (upload?.id !== row.id || upload.source === null) return true
  const start = row.index * settings.chunkSize
  return !files.matchesPreImage(ino, start, row.length, upload.source, upload.sourceOffset)
}

function isAsCommitted(
  { files, settings }: NodeCache,
  ino: number,
  row: LocalChunk,
  committed: CommittedChunk | undefined,
): boolean {
  if (committed?.id !== row.id || committed.length !== committed.objectLength) return false
  const data = Buffer.alloc(committed.length)
  files.read(ino, data, row.index * settings.chunkSize)
  return crc32(data) === committed.crc
}
