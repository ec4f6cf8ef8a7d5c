/**
 * Bodies of answers that carry files: whole, one range, or several as multipart/byteranges (RFC
 * 9110, section 14.6). A block of the file is in memory, never the file.
 *
 * Invariants: every byte is of the version whose entity tag was announced (it is the same after
 * the file was opened as before), and a body that turns out shorter than announced fails, so that
 * the connection is cut and nobody takes it for whole.
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

/** Thrown when the file was replaced meanwhile: look again, and start anew. */
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
    // What was opened lies between two looks at the same version, so it is that version.
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

/** Parts one after the other. */
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
