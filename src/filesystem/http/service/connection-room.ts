/**
 * Bounds the connections of an API server without shutting clients out. At the limit, the
 * connection that has been idle longest is closed. If requests are in progress on all of them, a
 * few more connections are admitted for requests that must always work: health checks and requests
 * of other nodes. Pipelined requests of one connection are answered one after the other.
 *
 * Invariants: the number of connections is bounded, and so is the number of requests on each, of
 * which one is processed at a time. A connection with a request in progress is never closed for
 * another. Connections that another protocol took over are not counted.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { FsError } from '../../../base/fs-error.ts'
import { filesystemLimits } from '../../limits.ts'
import { HttpError } from './http-error.ts'

export class ConnectionRoom {
  readonly #requests = new Map<Socket, number>()
  /** For each connection, resolves at the end of its latest response. */
  readonly #answers = new WeakMap<Socket, Promise<void>>()
  readonly #turns = new WeakMap<IncomingMessage, Promise<void>>()
  /** Idle connections, longest idle first. */
  readonly #idle = new Set<Socket>()

  attach(server: Server): void {
    server.on('connection', (socket) => this.#admit(socket))
    // Prepended: must run before Fastify handles the request.
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request
      this.#count(socket, 1)
      const closed = Promise.withResolvers<void>()
      const before = this.#answers.get(socket)
      if (before) this.#turns.set(request, before)
      this.#answers.set(socket, closed.promise)
      // A queued response gets no 'close' event when its connection closes.
      const end = (): void => {
        socket.off('close', end)
        response.off('close', end)
        this.#count(socket, -1)
        closed.resolve()
      }
      socket.once('close', end)
      response.once('close', end)
    })
    server.on('upgrade', ({ socket }: IncomingMessage) => this.#forget(socket))
  }

  /**
   * Resolves when all earlier requests of the connection have been answered. ECANCELED: the client
   * disconnected. EAGAIN: the request has to be repeated later, unless it is a reserved one.
   */
  async turn(request: IncomingMessage, isReserved = false): Promise<void> {
    if (this.#isCrowded() && !isReserved) throw crowded()
    await this.#turns.get(request)
    if (request.socket.destroyed) throw new FsError('ECANCELED', 'the client went away')
  }

  /** Only health checks and requests of other nodes are to be answered now. */
  #isCrowded(): boolean {
    return this.#requests.size - this.#idle.size > filesystemLimits.apiConnections
  }

  #admit(socket: Socket): void {
    this.#requests.set(socket, 0)
    this.#idle.add(socket)
    socket.once('close', () => this.#forget(socket))
    if (this.#requests.size <= filesystemLimits.apiConnections) return
    const reserved = filesystemLimits.apiReservedConnections
    const isFull = this.#requests.size > filesystemLimits.apiConnections + reserved
    if (isFull || this.#idle.size > reserved) this.#oldestIdle()?.destroy()
  }

  #oldestIdle(): Socket | undefined {
    const [oldest] = this.#idle
    return oldest
  }

  #count(socket: Socket, change: number): void {
    const before = this.#requests.get(socket)
    if (before === undefined) return
    this.#requests.set(socket, before + change)
    if (before + change === 0) this.#idle.add(socket)
    else this.#idle.delete(socket)
    if (before + change > filesystemLimits.apiPipelined) socket.destroy()
  }

  #forget(socket: Socket): void {
    this.#requests.delete(socket)
    this.#idle.delete(socket)
  }
}

function crowded(): HttpError {
  const headers = { 'retry-after': '1' }
  const most = filesystemLimits.apiConnections
  const message = `more than ${most} requests are under way: try again`
  return new HttpError(503, 'EAGAIN', message, { headers })
}
