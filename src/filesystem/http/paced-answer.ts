/**
 * Sends the body of an answer a piece at a time: the next one is asked for when the kernel has
 * taken the one before. A client that reads slowly, or not at all, costs one piece.
 *
 * Invariants: nobody uses a piece any more when the next one is asked for, or when this is over; a
 * body that fails, or a client that went away, leaves the connection cut, so that nobody takes the
 * answer for whole.
 */
import type { ServerResponse } from 'node:http'
import { FsError } from '../../base/fs-error.ts'

export type Piece = Uint8Array | string

/** Head and status are the caller's. ECANCELED: the client went away. */
export async function sendPieces(
  response: ServerResponse,
  pieces: AsyncIterable<Piece>,
): Promise<void> {
  let resume = (): void => undefined
  let isClosed = response.destroyed
  // Comes after the calls to the kernel have ended, whichever way.
  response.once('close', () => {
    isClosed = true
    resume()
  })
  try {
    for await (const piece of pieces) {
      await new Promise<void>((resolve) => {
        resume = resolve
        if (isClosed) resolve()
        else response.write(piece, () => resolve())
      })
      if (isClosed) throw new FsError('ECANCELED', 'the client went away')
    }
    response.end()
  } catch (error) {
    response.destroy()
    throw error
  }
}
