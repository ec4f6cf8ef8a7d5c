/**
 * Replaces the node in tests of the command lines: serves the API that they call but mounts
 * nothing, so that signals, failures and output can be tested quickly on any machine. The variable
 * STAND_IN selects its behaviour.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeOptions } from '../../src/options/node-options.ts'
import type { RunningNode } from '../../src/daemon/running-node.ts'

const BEHAVIOUR = process.env['STAND_IN'] ?? ''
const CLUSTER = {
  self: 'a',
  coordinator: { url: 'http://c:8080', connected: true, since: 'noon' },
  peers: [],
}

const OWED = {
  backlog: { chunks: 3, bytes: 3072 },
  problems: ['s3 takes no uploads since noon'],
  away: [{ what: 's3 takes no uploads', since: 'noon', works: 'reads', fails: 'waiting' }],
}

const NOTHING_AGREED = {
  minor: 0,
  kernelMinor: 0,
  flags: 0,
  flags2: 0,
  maxWriteBytes: 0,
  maxReadaheadBytes: 0,
  maxBackground: 0,
  congestionThreshold: 0,
}

export async function startNode(options: NodeOptions): Promise<RunningNode> {
  if (BEHAVIOUR === 'fails-to-start') throw new Error('the bucket is not there: make it first')
  const failed = Promise.withResolvers<never>()
  // Not awaited if a node ends well.
  failed.promise.catch(() => undefined)
  const server = createServer((request, response) => {
    void answer(options, request, response)
  })
  server.listen(options.port, options.host)
  await once(server, 'listening')
  if (BEHAVIOUR === 'fails-later')
    setTimeout(() => failed.reject(new Error('the disk is gone')), 50)
  if (BEHAVIOUR === 'loses-a-promise') void Promise.reject(new Error('a lost one'))
  return {
    mount: { mountPoint: options.mountPoint, negotiated: NOTHING_AGREED },
    apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    failed: failed.promise,
    async stop() {
      if (BEHAVIOUR === 'hangs-at-stop') await sleep(60_000)
      server.close()
      server.closeAllConnections()
    },
  }
}

async function answer(
  { mountPoint, apiKey }: NodeOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = '', url = '' } = request
  const send = (status: number, ...lines: object[]) => {
    response.writeHead(status).end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }
  if (apiKey !== undefined && request.headers['x-api-key'] !== apiKey) {
    send(401, { error: { code: 'EACCES', message: 'an API key is needed' } })
  } else if (url === '/api/status') {
    const cluster = BEHAVIOUR === 'has-peers' ? { cluster: CLUSTER } : {}
    const owed = BEHAVIOUR === 'owes' ? OWED : { backlog: { chunks: 0, bytes: 0 } }
    const cache = { usedBytes: 5 * 2 ** 20 }
    send(200, { mountPoint, pid: process.ppid, ...owed, cache, ...cluster })
  } else if (url.endsWith('/none')) {
    send(404, { error: { code: 'ENOENT', message: 'ENOENT: no such file: /none' } })
  } else if (method === 'GET') {
    send(200, { url, chunks: [1, 2] })
  } else {
    const { paths } = JSON.parse(await text(request)) as { paths: string[] }
    const start = { doneBytes: 0, totalBytes: 1024, doneFiles: 0, totalFiles: paths.length }
    const end = { ...start, doneBytes: 1024, doneFiles: paths.length, done: true, paths }
    if (paths.includes('/cut')) {
      response.write(`${JSON.stringify(start)}\n`, () => response.destroy())
    } else if (paths.includes('/fails'))
      send(200, { error: { code: 'EIO', message: 'the cloud is away' } })
    else send(200, start, ...(paths.includes('/stops') ? [] : [end]))
  }
}
