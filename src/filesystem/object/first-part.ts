/**
 * Determines whether content fits in one request: a small object is sent in one request with a
 * checksum; a large one is streamed and never in memory as a whole.
 */
import { collect } from '../file-bytes.ts'
import { filesystemLimits } from '../limits.ts'

export interface FirstPart {
  bytes: Uint8Array
  /** The whole content if it is larger than one part. */
  whole: AsyncIterable<Uint8Array> | undefined
}

/** Size of the parts, so that an object of `size` bytes has at most `parts` of them. */
export function partBytesFor(size: number | undefined, parts: number): number {
  return Math.max(filesystemLimits.objectPartBytes, Math.ceil((size ?? 0) / parts))
}

export async function firstPart(source: AsyncIterable<Uint8Array>): Promise<FirstPart> {
  const iterator = source[Symbol.asyncIterator]()
  const pieces: Uint8Array[] = []
  let length = 0
  while (length <= filesystemLimits.objectPartBytes) {
    const next = await iterator.next()
    if (next.done === true) return { bytes: await collect(each(pieces)), whole: undefined }
    pieces.push(next.value)
    length += next.value.length
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield* pieces.splice(0)
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      yield next.value
    }
  }
  return { bytes: new Uint8Array(0), whole: whole() }
}

async function* each(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces
}
