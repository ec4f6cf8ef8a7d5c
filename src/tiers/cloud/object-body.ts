/**
 * The body of an answer as one buffer, of exactly the length that was announced: a connection that
 * ends early must not look like a short object, nor a longer body get past what was allowed.
 *
 * It is taken as it comes ('data'): an iterator of a stream joins what has come meanwhile first,
 * and a chunk would be copied, and its memory thrown away, once more.
 */
import { finished, type Readable } from 'node:stream'
import { FsError } from '../../base/fs-error.ts'

/** Fills `all`; leaves it alone once it has resolved or failed. */
export async function collect(body: Readable, all: Buffer): Promise<Buffer> {
  const { length } = all
  let filled = 0
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const take = (piece: Uint8Array): void => {
    if (filled + piece.length > length) {
      body.destroy(new FsError('EIO', `more than ${length} bytes came`))
      return
    }
    all.set(piece, filled)
    filled += piece.length
  }
  finished(body, { writable: false }, (error) => {
    body.off('data', take)
    if (error) reject(error)
    else if (filled < length) reject(new FsError('EIO', `only ${filled} of ${length} bytes came`))
    else resolve(all)
  })
  body.on('data', take)
  return await promise
}
