/**
 * Response bodies with file contents: the whole file, one range, or several ranges as
 * multipart/byteranges (RFC 9110, section 14.6). One block of the file is in memory at a time.
 *
 * Invariants: every byte belongs to the version of the announced entity tag. A body shorter than
 * announced fails, so the connection is cut and no client takes it for complete.
 */
import { randomBytes } from 'node:crypto'
import { FsError } from '../../../base/fs-error.ts'
import type { Stats } from '../../stats.ts'
import { contentRange } from './byte-ranges.ts'
import type { ByteRange } from './byte-ranges.ts'
import type { ServedFiles } from './file-request.ts'
import type { Piece } from './paced-answer.ts'

export interface FileVersion {
  files: ServedFiles
  path: string
  stats: Stats
  signal: AbortSignal
}

export interface Body {
  pieces: AsyncGenerator<Piece>
  length: number
}

export function wholeBody(version: FileVersion): Body {
  return rangeBody(version, { start: 0, end: version.stats.size - 1 })
}

export function rangeBody(version: FileVersion, range: ByteRange): Body {
  const length = range.end - range.start + 1
  return { pieces: rangeOf(version, range, length), length }
}

async function* rangeOf(
  { files, path, stats, signal }: FileVersion,
  range: ByteRange,
  length: number,
): AsyncGenerator<Uint8Array> {
  if (length === 0) return
  const wrong = (): FsError => {
    return new FsError('EIO', `${passed} bytes came where ${length} were announced`, { path })
  }
  let passed = 0
  for await (const block of files.content(path, { ...range, ifMatch: stats.etag, signal })) {
    passed += block.length
    if (passed > length) throw wrong()
    yield block
  }
  if (passed < length) throw wrong()
}

/** All ranges, one part after the other. */
export function multipartBody(
  version: FileVersion,
  ranges: readonly ByteRange[],
  contentType: string,
): Body & { contentType: string } {
  const { size } = version.stats
  const boundary = randomBytes(16).toString('hex')
  const head = (range: ByteRange): string =>
    `\r\n--${boundary}\r\nContent-Type: ${contentType}\r\n` +
    `Content-Range: ${contentRange(range, size)}\r\n\r\n`
  const tail = `\r\n--${boundary}--\r\n`
  async function* parts(): AsyncGenerator<Piece> {
    for (const range of ranges) {
      yield head(range)
      yield* rangeBody(version, range).pieces
    }
    yield tail
  }
  const partLengths = ranges.map((range) => head(range).length + range.end - range.start + 1)
  return {
    pieces: parts(),
    length: partLengths.reduce((sum, length) => sum + length, tail.length),
    contentType: `multipart/byteranges; boundary=${boundary}`,
  }
}
