/**
 * Bodies of answers that carry files: whole, one range, or several as multipart/byteranges (RFC
 * 9110, section 14.6). Streams: a block of the file is in memory, never the file.
 *
 * Invariants: every byte is of the version whose entity tag was announced (it is the same after
 * the file was opened as before), and a body that turns out shorter than announced fails, so that
 * the connection is cut and nobody takes it for whole.
 */
import { randomBytes } from 'node:crypto'
import { Readable, Transform, pipeline } from 'node:stream'
import { FsError } from '../base/fs-error.ts'
import type { FileStat, FileStore } from '../filesystem/file-store.ts'
import { contentRange } from './byte-ranges.ts'
import type { ByteRange } from './byte-ranges.ts'

export interface FileVersion {
  files: FileStore
  path: string
  stat: FileStat
  signal: AbortSignal
}

export interface Body {
  stream: Readable
  length: number
}

/** Thrown when the file was replaced meanwhile: look again, and start anew. */
export class VersionGone extends FsError {
  constructor(path: string) {
    super('ESTALE', 'the file was replaced while it was read: try again', { path })
  }
}

export async function wholeBody(version: FileVersion): Promise<Body> {
  const { size } = version.stat
  if (size === 0) return { stream: Readable.from([]), length: 0 }
  return await rangeBody(version, { start: 0, end: size - 1 })
}

export async function rangeBody(version: FileVersion, range: ByteRange): Promise<Body> {
  const { files, path, stat, signal } = version
  const source = await files.createReadStream(path, { ...range, signal })
  const length = range.end - range.start + 1
  try {
    // What was opened lies between two looks at the same version, so it is that version.
    const now = await files.stat(path, { signal })
    if (now.etag !== stat.etag) throw new VersionGone(path)
  } catch (error) {
    source.on('error', () => undefined).destroy()
    throw error
  }
  return { stream: exactly(source, length, path), length }
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
  async function* parts(): AsyncGenerator<Buffer> {
    for (const range of ranges) {
      yield Buffer.from(head(range))
      const { stream } = await rangeBody(version, range)
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

/** Passes on `length` bytes; fails where there are fewer or more. */
function exactly(source: Readable, length: number, path: string): Readable {
  let passed = 0
  const wrong = (): FsError => {
    return new FsError('EIO', `${passed} bytes came where ${length} were announced`, { path })
  }
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      passed += chunk.length
      done(passed > length ? wrong() : null, chunk)
    },
    flush(done) {
      done(passed < length ? wrong() : null)
    },
  })
  // The failure of either reaches the other; the answer sees it as the meter's.
  pipeline(source, meter, () => undefined)
  return meter
}
