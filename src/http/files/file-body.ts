/**
 * Response bodies with file contents: the whole file, one range, or several ranges as
 * multipart/byteranges (RFC 9110, section 14.6). One block of the file is in memory at a time.
 *
 * Invariants: every byte belongs to the version of the announced entity tag (the tag is the same
 * before and after the file is opened). A body shorter than announced fails, so the connection is
 * cut and no client takes it for complete.
 */
import { randomBytes } from 'node:crypto'
import { FsError } from '../../base/fs-error.ts'
import type { Piece } from '../../filesystem/http/paced-answer.ts'
import type { FileStat, FileStore } from '../../filesystem/file-store.ts'
import { contentRange } from './byte-ranges.ts'
import type { ByteRange } from './byte-ranges.ts'

export interface FileVersion {
  files: FileStore
  path: string
  stat: FileStat
  signal: AbortSignal
}

export interface Body {
  pieces: AsyncGenerator<Piece>
  length: number
}

/** The file was replaced while it was opened: the caller stats it again and retries. */
export class VersionGone extends FsError {
  constructor(path: string) {
    super('ESTALE', 'the file was replaced while it was read: try again', { path })
  }
}

export function wholeBody(version: FileVersion): Body {
  return rangeBody(version, { start: 0, end: version.stat.size - 1 })
}

export function rangeBody(version: FileVersion, range: ByteRange): Body {
  const length = range.end - range.start + 1
  return { pieces: rangeOf(version, range, length), length }
}

async function* rangeOf(
  { files, path, stat, signal }: FileVersion,
  range: ByteRange,
  length: number,
): AsyncGenerator<Uint8Array> {
  if (length === 0) return
  const wrong = (): FsError => {
    return new FsError('EIO', `${passed} bytes came where ${length} were announced`, { path })
  }
  let passed = 0
  for await (const block of files.content(path, { ...range, signal })) {
    // The open lies between two stats of the same version, so it opened that version.
    const isFirst = passed === 0
    if (isFirst && (await files.stat(path, { signal })).etag !== stat.etag) {
      throw new VersionGone(path)
    }
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
  const { size } = version.stat
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
