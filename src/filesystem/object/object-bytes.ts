/**
 * Bytes that go to objects and come from them, piece by piece: of a version that the caller has
 * looked at, of a source that may be cut off, and none.
 */
import { throwIfAborted } from '../../base/abort.ts'
import { codeOf } from '../../base/fs-error.ts'
import type { ContentOptions } from '../file-system.ts'
import type { ObjectStore } from './object-store.ts'

/**
 * Bytes of a version that the caller has looked at: where it is still there, one request. Undefined
 * where it is not, or not under this key: then it has to be looked at in full.
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
