/**
 * Splits what is to be written into what fits in one request and the rest, so that a small object
 * is one request with a checksum, and a large one is never in memory.
 */
import { collect } from '../file-bytes.ts'
import { limits } from '../../limits.ts'

export interface FirstPart {
  bytes: Uint8Array
  /** All of it, where there is more than the first part. */
  whole: AsyncIterable<Uint8Array> | undefined
}

/** Of what a store takes only so many parts of: larger ones where that is known to be needed. */
export function partBytesFor(size: number | undefined, parts: number): number {
  return Math.max(limits.objectPartBytes, Math.ceil((size ?? 0) / parts))
}

export async function firstPart(source: AsyncIterable<Uint8Array>): Promise<FirstPart> {
  const iterator = source[Symbol.asyncIterator]()
  const pieces: Uint8Array[] = []
  let length = 0
  while (length <= limits.objectPartBytes) {
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
