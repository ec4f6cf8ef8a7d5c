/**
 * Streams a response while its content is produced. A failure before the first piece becomes an
 * error status; a later failure cuts the response off.
 */
import type { FastifyReply } from 'fastify'
import { sendPieces, type Piece } from '../../filesystem/http/service/paced-answer.ts'

/**
 * Sends the status and headers that the reply has at the first piece. The handler must return the
 * result.
 */
export async function streamed(
  reply: FastifyReply,
  pieces: AsyncGenerator<Piece>,
): Promise<FastifyReply> {
  const first = await pieces.next()
  async function* all(): AsyncGenerator<Piece> {
    try {
      if (first.done !== true) yield first.value
      yield* pieces
    } finally {
      await pieces.return(undefined)
    }
  }
  reply.hijack()
  reply.raw.writeHead(reply.statusCode, reply.getHeaders() as Record<string, string>)
  // The client sees that the response was cut off.
  await sendPieces(reply.raw, all()).catch(() => undefined)
  return reply
}
