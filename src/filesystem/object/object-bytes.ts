/**
 * Byte streams to and from objects: of a version that the caller has looked up, of a source that
 * may be aborted, and an empty one.
 */
import { throwIfAborted } from '../../base/async/abort.ts'
import { codeOf } from '../../base/fs-error.ts'
import type { ContentOptions } from '../file-system.ts'
import type { ObjectStore } from './object-store.ts'

/**
 * Reads a range of a version that the caller has looked up: one request if that version is still
 * there. Undefined if it is not, or not under this key: the caller then looks it up again.
 */
export async function knownVersion(
  store: ObjectStore,
  key: string,
  { start = 0, end, ifMatch, signal }: ContentOptions,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  if (ifMatch === undefined || end === undefined || end < start) return undefined
  const bytes = store.get(key, { start, end, ifMatch, signal })
  const pieces = bytes[Symbol.asyncIterator]()
  try {
    return startingWith(await pieces.next(), pieces)
  } catch (error) {
    if (codeOf(error) === 'ECANCELED') throw error
    return undefined
  }
}

async function* startingWith<T>(
  first: IteratorResult<T>,
  rest: AsyncIterator<T>,
): AsyncGenerator<T> {
  try {
    for (let it = first; it.done !== true; it = await rest.next()) yield it.value
  } finally {
    await rest.return?.()
  }
}

export async function* nothing(): AsyncGenerator<Uint8Array> {
  // An empty object.
}

export async function* watched(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    throwIfAborted(signal)
    yield piece
  }
}
