/**
 * Answers that are sent as they come about. What goes wrong before the first piece is a status, as
 * with any answer; what goes wrong later cuts the answer off.
 */
import type { FastifyReply } from 'fastify'
import { sendPieces, type Piece } from '../../filesystem/http/paced-answer.ts'

/** With the status and the headers that the reply has by then; to be returned by the handler. */
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
  // Whoever asked sees that it is cut.
  await sendPieces(reply.raw, all()).catch(() => undefined)
  return reply
}
