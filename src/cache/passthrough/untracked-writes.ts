/**
 * Finds untracked writes: chunks whose bytes differ from the committed content, written by the
 * kernel (cache/passthrough/passthrough-writes.ts) or through memory maps
 * (cache/passthrough/mmap-writes.ts). Chunks are compared with the checksums in the metadata, which
 * costs reading all committed chunks of the file.
 */
import { crc32 } from 'node:zlib'
import { SEEK_DATA } from '../../base/native-calls.ts'
import type { CommittedChunk } from '../state/chunk-index.ts'
import { DIRTY, PENDING, type LocalChunk } from '../state/chunk-table.ts'
import type { NodeCache } from '../state/node-cache.ts'

/** A chunk, and its row in the node database. */
export interface Mark {
  index: number
  row: LocalChunk | undefined
}

/** The current content. */
export interface UntrackedContent {
  /** Bytes. */
  size: number
  /** The chunks of the metadata from this offset on are void. */
  voidFrom: number
}

/** Chunks that have changed and are not dirty. Call under the lock of the inode. */
export function changedChunks(cache: NodeCache, ino: number, content: UntrackedContent): Mark[] {
  const { chunkSize } = cache.settings
  const marks: Mark[] = []
  for (let at = 0; at * chunkSize < content.size;) {
    const row = cache.chunks.find(ino, at)
    const committed = at * chunkSize < content.voidFrom ? cache.index.find(ino, at) : undefined
    if (row ? hasChanged(cache, ino, row, content) : !committed && dataFrom(cache, ino, at) === at)
      marks.push({ index: at, row })
    at = (row ?? committed) ? at + 1 : nextOf(cache, ino, at, content)
  }
  return marks
}

/** Index of the chunk with the next data; Infinity if there is none. */
function dataFrom({ files, settings }: NodeCache, ino: number, at: number): number {
  const data = files.seek(ino, at * settings.chunkSize, SEEK_DATA)
  return data < 0 ? Infinity : Math.floor(data / settings.chunkSize)
}

/** The next chunk to check after one without row and reference; holes are skipped at once. */
function nextOf(cache: NodeCache, ino: number, at: number, { voidFrom }: UntrackedContent): number {
  const next = at + 1
  const { index, chunks, settings } = cache
  const committed = index.findNext(ino, next)?.index ?? Infinity
  return Math.max(
    next,
    Math.min(
      dataFrom(cache, ino, next),
      chunks.from(ino, next, 1)[0]?.index ?? Infinity,
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

/**
 * Whether the backing file is too short. That is a loss (cache/checks/lost-chunks.ts), not a
 * change.
 */
function isCut({ files, settings }: NodeCache, ino: number, { index, length }: LocalChunk) {
  return (files.stat(ino)?.size ?? 0) < index * settings.chunkSize + length
}

/** Whether there is data after the bytes of the row. */
function hasGrown({ files, settings }: NodeCache, ino: number, { index, length }: LocalChunk) {
  const start = index * settings.chunkSize
  const data = files.seek(ino, start + length, SEEK_DATA)
  return data >= 0 && data < start + settings.chunkSize
}

/** Compares a pending chunk with its pre-image. Without a pre-image it counts as changed. */
function isPendingChanged({ uploads, files, settings }: NodeCache, ino: number, row: LocalChunk) {
  const upload = uploads.find(ino, row.index)
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
