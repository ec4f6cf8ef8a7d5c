/** The body of a message, for servers that answer while it is not read to its end. */
import type { IncomingMessage } from 'node:http'
import { FsError } from '../../../base/fs-error.ts'

/** ECANCELED: the body was cut off. */
export async function* requestBody(message: IncomingMessage): AsyncGenerator<Uint8Array> {
  let received = 0
  const cutOff = (cause?: unknown): FsError => {
    return new FsError('ECANCELED', `the body was cut off after ${received} bytes`, { cause })
  }
  // By default, leaving the loop would destroy the connection, and the response with it.
  const pieces = message.iterator({ destroyOnReturn: false })
  for (;;) {
    const next = await pieces.next().catch((cause: unknown) => Promise.reject(cutOff(cause)))
    if (next.done === true) break
    const piece = next.value as Buffer
    received += piece.length
    yield piece
  }
  if (!message.complete) throw cutOff()
}
