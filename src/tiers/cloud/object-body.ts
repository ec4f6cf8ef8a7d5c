/**
 * Reads the body of a response into one buffer of exactly the announced length: a connection that
 * ends early must not look like a short object, and a longer body must not exceed the limit.
 *
 * Uses the 'data' event because the async iterator of a stream joins buffered pieces first, which
 * would copy each chunk, and allocate and discard its memory, once more.
 */
import { finished, type Readable } from 'node:stream'
import { FsError } from '../../base/fs-error.ts'

/** Fills `all`; does not touch it after the promise has settled. */
export async function collect(body: Readable, all: Buffer): Promise<Buffer> {
  const { length } = all
  let filled = 0
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const take = (piece: Uint8Array): void => {
    if (filled + piece.length > length) {
      body.destroy(new FsError('EIO', `received more than ${length} bytes`))
      return
    }
    all.set(piece, filled)
    filled += piece.length
  }
  finished(body, { writable: false }, (error) => {
    body.off('data', take)
    if (error) reject(error)
    else if (filled < length) reject(new FsError('EIO', `received ${filled} of ${length} bytes`))
    else resolve(all)
  })
  body.on('data', take)
  return await promise
}
