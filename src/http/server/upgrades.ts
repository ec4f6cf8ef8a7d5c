/**
 * Connections of an API server that another protocol (WebSocket) takes over: the handler of each
 * path, and the checks that precede it, as for any request.
 *
 * Invariants: a handler gets only connections that its door, or else the API key, admitted. It gets
 * none that a browser opened: those have an Origin header, and any web page may open a WebSocket to
 * any machine. A request to upgrade to anything else is handled as an ordinary request; `curl
 * --http2` sends such requests. After `stop()` no connection reaches a handler.
 */
import { STATUS_CODES } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ApiKey } from './api-key.ts'
import { httpLimits } from '../limits.ts'
import { HttpError, answerTo } from '../../filesystem/http/service/http-error.ts'
import type { Door } from './door.ts'

/** As the 'upgrade' event of node:http. The handler owns the socket, including its errors. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export class Upgrades {
  readonly #handlers = new Map<string, { handler: UpgradeHandler; door: Door | undefined }>()
  readonly #sockets = new Set<Duplex>()
  #listen: () => void = () => undefined
  #isStopping = false

  /** `door`: check in place of the API key. */
  add(path: string, handler: UpgradeHandler, door?: Door): void {
    if (this.#handlers.has(path)) throw new Error(`${path} has a handler already`)
    if (this.#handlers.size === 0) this.#listen()
    this.#handlers.set(path, { handler, door })
  }

  /** Whether the request is for a handler. Called before HTTP releases the connection. */
  wants({ url, headers }: IncomingMessage): boolean {
    return this.#handlers.has(pathOf(url)) && /\bwebsocket\b/i.test(headers.upgrade ?? '')
  }

  /** Attaches to a server. The 'upgrade' event gets its listener with the first handler only. */
  attach(server: Server, key: ApiKey): void {
    this.#listen = () => {
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        this.#sockets.add(socket)
        socket.once('close', () => this.#sockets.delete(socket))
        // The handler may not have an error listener yet; an unhandled error would end the process.
        socket.on('error', () => socket.destroy())
        try {
          this.#check(request, key)
          this.#handlers.get(pathOf(request.url))?.handler(request, socket, head)
        } catch (error) {
          refuse(socket, error)
        }
      })
    }
  }

  stop(): void {
    this.#isStopping = true
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #check(request: IncomingMessage, key: ApiKey): void {
    const { door } = this.#handlers.get(pathOf(request.url)) ?? {}
    if (door) door(request.headers)
    else key.check(request.headers)
    if (request.headers.origin !== undefined) {
      throw new HttpError(403, 'EACCES', 'this connection is for programs, not for web pages')
    }
    if (this.#isStopping) throw new HttpError(503, 'EAGAIN', 'stopping: connect again later')
    if (!this.wants(request)) throw new HttpError(400, 'EINVAL', 'there is no WebSocket here')
  }
}

function pathOf(url = ''): string {
  return url.split('?', 1)[0] ?? ''
}

function refuse(socket: Duplex, error: unknown): void {
  const { status, headers, body } = answerTo(error)
  const text = JSON.stringify(body)
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`, () => {
    setTimeout(() => socket.destroy(), httpLimits.apiLingerMs).unref()
  })
}
