/** A whole copy of the metadata, for a node that has none or missed too much. */
import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { KeyedMutex } from '../base/keyed-mutex.ts'

export interface SnapshotSource {
  readonly path: string
  /** Makes a copy at a path where nothing is. */
  make(path: string): Promise<void>
}

export function metadataRoutes(app: FastifyInstance, url: string, source: SnapshotSource): void {
  const turns = new KeyedMutex<string>()
  let made = 0
  const schema = { summary: 'A whole copy of the metadata, as an SQLite file', tags: ['metadata'] }
  app.get(url, { schema }, async (_request, reply) => {
    // One at a time: each takes the room of the whole database.
    using _turn = await turns.acquire('')
    const path = `${source.path}.${++made}`
    await rm(path, { force: true })
    await source.make(path)
    const { size } = await stat(path)
    const stream = createReadStream(path)
    // The file is gone by name and there for the stream.
    stream.once('open', () => void rm(path, { force: true }))
    void reply.header('content-length', size).type('application/vnd.sqlite3')
    return await reply.send(stream)
  })
}
