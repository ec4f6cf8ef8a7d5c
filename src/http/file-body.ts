/**
 * Bodies of answers that carry files: whole, one range, or several as multipart/byteranges (RFC
 * 9110, section 14.6). Streams: a block of the file is in memory, never the file.
 */
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FileSystem } from '../filesystem/file-system.ts'
import { contentRange, type ByteRange } from './byte-ranges.ts'

export interface Body {
  stream: Readable
  length: number
  /** Where it is not the file's own. */
  contentType?: string
}

export async function rangeBody(
  files: FileSystem,
  path: string,
  range: ByteRange,
  signal: AbortSignal,
): Promise<Body> {
  const stream = await files.createReadStream(path, { ...range, signal })
  return { stream, length: range.end - range.start + 1 }
}

/** Parts one after the other; no more than a block of one is in memory. */
export function multipartBody(
  files: FileSystem,
  path: string,
  ranges: readonly ByteRange[],
  { size, type, signal }: { size: number; type: string; signal: AbortSignal },
): Body {
  const boundary = randomBytes(16).toString('hex')
  const head = (range: ByteRange): string =>
    `\r\n--${boundary}\r\nContent-Type: ${type}\r\n` +
    `Content-Range: ${contentRange(range, size)}\r\n\r\n`
  const tail = `\r\n--${boundary}--\r\n`
  async function* parts(): AsyncGenerator<Buffer> {
    for (const range of ranges) {
      yield Buffer.from(head(range))
      const { stream } = await rangeBody(files, path, range, signal)
      yield* stream as AsyncIterable<Buffer>
    }
    yield Buffer.from(tail)
  }
  const partLengths = ranges.map((range) => head(range).length + range.end - range.start + 1)
  return {
    stream: Readable.from(parts(), { objectMode: false }),
    length: partLengths.reduce((sum, length) => sum + length, tail.length),
    contentType: `multipart/byteranges; boundary=${boundary}`,
  }
}
