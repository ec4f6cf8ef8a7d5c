/** Serves a full copy of the metadata to nodes (coordinator/snapshots.ts). */
import type { FastifyInstance } from 'fastify'
import type { Door } from '../server/door.ts'
import { streamed } from '../server/streamed-answer.ts'

export interface MetadataCopies {
  /** The caller must iterate `pieces`: the end of the iteration releases the copy. */
  take(): Promise<{ sizeBytes: number; pieces: AsyncGenerator<Uint8Array> }>
}

export function metadataRoutes(
  app: FastifyInstance,
  url: string,
  copies: MetadataCopies,
  door: Door,
): void {
  const schema = { summary: 'A whole copy of the metadata, as an SQLite file', tags: ['metadata'] }
  app.get(url, { schema, config: { door } }, async (_request, reply) => {
    const { sizeBytes, pieces } = await copies.take()
    void reply.header('content-length', sizeBytes).type('application/vnd.sqlite3')
    return await streamed(reply, pieces)
  })
}
