/**
 * HTTP client for chunks of other nodes. Connections are kept alive and limited in number; each
 * call is limited in time and size; received data is checked against the CRC-32 sent with it.
 *
 * Invariants: one call is one attempt and ends within its deadline, whatever the peer does. Errors:
 * ENOENT (the peer does not have the chunk), EACCES (the peer does not know this node), ETIMEDOUT,
 * ECANCELED (aborted), ENOSPC (the peer has no room), DamagedCopy, else EIO. Uses `node:http`
 * instead of `fetch`, because its agent limits the connections and data goes straight into its
 * buffer.
 */
import { once } from 'node:events'
import * as http from 'node:http'
import * as https from 'node:https'
import type { Socket } from 'node:net'
import { crc32 } from 'node:zlib'
import { FsError, describe, type FsErrorCode } from '../../base/fs-error.ts'
import { tiersLimits } from '../limits.ts'
import { CallDeadline } from '../cloud/call-deadline.ts'
import type { ChunkAddress } from './chunk-address.ts'
import { CRC_HEADER, DamagedCopy, chunkPath, parseCrc } from './chunk-headers.ts'
import { TOKEN_HEADER, type NodeTokens } from './node-token.ts'
import type { Peer } from './peer-directory.ts'

export interface PeerGetOptions {
  /** Length of the chunk in bytes; a response of another length is rejected before it is read. */
  length: number
  /** Expected CRC-32 if known. The CRC-32 in the response must match the data in any case. */
  crc?: number | null | undefined
  /** Asks the peer as owner: it reads the chunk from the cloud if it does not have it. */
  home?: boolean | undefined
  signal?: AbortSignal | undefined
}

export interface PeerPutOptions {
  crc: number
  signal?: AbortSignal | undefined
}

interface Call {
  method: 'GET' | 'POST' | 'PUT'
  path: string
  headers: Record<string, string | number>
  body?: Uint8Array | undefined
  deadline: CallDeadline
}

const KEEP_ALIVE = {
  keepAlive: true,
  maxSockets: tiersLimits.peerConnections,
  scheduling: 'lifo',
} as const

const STATUS_CODES: Record<number, FsErrorCode> = {
  401: 'EACCES',
  403: 'EACCES',
  404: 'ENOENT',
  507: 'ENOSPC',
}

export class PeerClient {
  readonly #tokens: Pick<NodeTokens, 'for'>
  readonly #agents = { http: new http.Agent(KEEP_ALIVE), https: new https.Agent(KEEP_ALIVE) }

  /** `tokens`: authenticate this node to its peers. */
  constructor(tokens: Pick<NodeTokens, 'for'>) {
    this.#tokens = tokens
  }

  async get(peer: Peer, chunk: ChunkAddress, options: PeerGetOptions): Promise<Buffer> {
    const { length, home = false, signal } = options
    const callMs = home ? tiersLimits.peerOwnerCallMs : tiersLimits.peerCallMs
    using deadline = new CallDeadline(signal, callMs + length / tiersLimits.peerBytesPerMsMin)
    const path = `${chunkPath(chunk)}${home ? '?home=1' : ''}`
    const call: Call = { method: 'GET', path, headers: {}, deadline }
    return await this.#call(peer, call, async (answer) => {
      const where = `${peer.id} (${path})`
      const crc = parseCrc(answer.headers[CRC_HEADER])
      const sent = answer.headers['content-length']
      if (crc === undefined || sent !== String(length)) {
        answer.destroy()
        const got = `${sent ?? 'unknown'} bytes with CRC-32 ${crc ?? 'unknown'}`
        throw new DamagedCopy(`${where} sent ${got}; expected ${length} bytes`)
      }
      const data = await bodyOf(answer, length)
      const found = crc32(data)
      const wanted = options.crc ?? crc
      if (found === crc && found === wanted) return data
      const got = `CRC-32 ${found}, announced as ${crc}`
      throw new DamagedCopy(`the copy from ${where} is damaged: ${got}, expected ${wanted}`)
    })
  }

  /** Resolves when the peer has stored the data. */
  async put(
    peer: Peer,
    chunk: ChunkAddress,
    data: Uint8Array,
    { crc, signal }: PeerPutOptions,
  ): Promise<void> {
    const callMs = tiersLimits.peerCallMs + data.length / tiersLimits.peerBytesPerMsMin
    using deadline = new CallDeadline(signal, callMs)
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': data.length,
      [CRC_HEADER]: String(crc),
    }
    const path = chunkPath(chunk)
    await this.#call(peer, { method: 'PUT', path, headers, body: data, deadline }, noBody)
  }

  /**
   * Asks the peer, the owner of the chunk, to read it ahead; resolves when the peer has accepted.
   */
  async prepare(peer: Peer, chunk: ChunkAddress): Promise<void> {
    using deadline = new CallDeadline(undefined, tiersLimits.peerCallMs)
    const path = chunkPath(chunk)
    await this.#call(peer, { method: 'POST', path, headers: {}, deadline }, noBody)
  }

  close(): void {
    this.#agents.http.destroy()
    this.#agents.https.destroy()
  }

  async #call<T>(
    peer: Peer,
    call: Call,
    take: (answer: http.IncomingMessage) => Promise<T>,
  ): Promise<T> {
    const what = `${call.method} ${call.path} from peer ${peer.id} at ${peer.url}`
    try {
      const answer = await this.#send(peer, call)
      const { statusCode = 0 } = answer
      if (statusCode >= 200 && statusCode < 300) return await take(answer)
      // The status is all that matters; reading the body to its end keeps the connection usable.
      answer.resume()
      const code = STATUS_CODES[statusCode] ?? 'EIO'
      throw new FsError(code, `${what} failed with status ${statusCode}`)
    } catch (error) {
      if (error instanceof FsError) throw error
      const { error: ended } = call.deadline
      if (ended !== undefined) {
        throw new FsError(ended.code, `${what}: ${ended.message}`, { cause: ended.cause })
      }
      throw new FsError('EIO', `${what} failed: ${describe(error)}`, { cause: error })
    }
  }

  async #send(peer: Peer, call: Call): Promise<http.IncomingMessage> {
    try {
      return await this.#sendOnce(peer, call, this.#agents)
    } catch (error) {
      // The peer closed the idle connection just as it was reused, and did not read the request.
      if (!(error instanceof ReusedConnection)) throw error
      return await this.#sendOnce(peer, call, { http: false, https: false })
    }
  }

  #sendOnce(
    peer: Peer,
    { method, path, headers, body, deadline }: Call,
    agents: { http: http.Agent | false; https: https.Agent | false },
  ): Promise<http.IncomingMessage> {
    const url = new URL(path, peer.url)
    const { signal } = deadline
    const from = { [TOKEN_HEADER]: this.#tokens.for(peer.id) }
    const options = { method, headers: { ...from, ...headers }, signal }
    const request =
      url.protocol === 'https:'
        ? https.request(url, { ...options, agent: agents.https })
        : http.request(url, { ...options, agent: agents.http })
    return new Promise((resolve, reject) => {
      request.on('response', resolve)
      // The listener stays: an error after the response has begun is reported by the response.
      request.on('error', (error: NodeJS.ErrnoException) => {
        const isStale = request.reusedSocket && error.code === 'ECONNRESET'
        reject(isStale ? new ReusedConnection(error.message, { cause: error }) : error)
      })
      request.on('socket', (socket) => boundConnecting(socket))
      request.end(body)
    })
  }
}

class ReusedConnection extends Error {}

function boundConnecting(socket: Socket): void {
  if (!socket.connecting) return
  const timer = setTimeout(() => {
    const { peerConnectMs } = tiersLimits
    socket.destroy(new FsError('ETIMEDOUT', `no connection within ${peerConnectMs} ms`))
  }, tiersLimits.peerConnectMs)
  const clear = (): void => clearTimeout(timer)
  socket.once('connect', clear)
  socket.once('close', clear)
}

async function noBody(answer: http.IncomingMessage): Promise<void> {
  answer.resume()
  await once(answer, 'end')
}

async function bodyOf(answer: http.IncomingMessage, length: number): Promise<Buffer> {
  const data = Buffer.allocUnsafeSlow(length)
  let at = 0
  for await (const part of answer) {
    const bytes = part as Buffer
    // Node ends the body at Content-Length; this guards against a mistake there.
    if (at + bytes.length > length) throw new DamagedCopy('the body is longer than announced')
    at += bytes.copy(data, at)
  }
  if (at < length) throw new FsError('EIO', `the body ended after ${at} of ${length} bytes`)
  return data
}
