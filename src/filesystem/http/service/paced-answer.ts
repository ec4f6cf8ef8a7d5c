/**
 * Sends the body of a response a piece at a time: the next one is requested when the kernel has
 * accepted the one before, so a client that reads slowly, or not at all, costs one piece of memory.
 *
 * Invariants: a piece is no longer used when the next one is requested or the call has ended. If
 * the body fails or the client disconnects, the connection is closed, so that the truncated
 * response cannot pass for a complete one.
 */
import type { ServerResponse } from 'node:http'
import { FsError } from '../../../base/fs-error.ts'

export type Piece = Uint8Array | string

/** The caller sends status and headers. Throws ECANCELED if the client disconnected. */
export async function sendPieces(
  response: ServerResponse,
  pieces: AsyncIterable<Piece>,
): Promise<void> {
  let resume = (): void => undefined
  let isClosed = response.destroyed
  // Emitted after the calls to the kernel have ended, whether they failed or not.
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
      if (isClosed) throw new FsError('ECANCELED', 'the client disconnected')
    }
    response.end()
  } catch (error) {
    response.destroy()
    throw error
  }
}
