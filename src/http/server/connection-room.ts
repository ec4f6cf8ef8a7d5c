/**
 * The connections of an API's server, so that a crowd shuts nobody out: where there are too many,
 * the one that has been without a request for the longest makes room. When requests are under way
 * on all of them, some further connections are let in for what has to work then: health, and what
 * other nodes ask for. Requests that came on one connection without waiting for answers are
 * answered one after the other.
 *
 * Invariants: connections are bounded, and so are their requests, of which one is at work at a
 * time; none with a request under way is cut for another. Those that were handed to another
 * protocol are not counted here.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { FsError } from '../../base/fs-error.ts'
import { httpLimits } from '../limits.ts'

export class ConnectionRoom {
  readonly #requests = new Map<Socket, number>()
  /** Of a connection, the end of the answer that was asked for last. */
  readonly #answers = new WeakMap<Socket, Promise<void>>()
  readonly #turns = new WeakMap<IncomingMessage, Promise<void>>()
  /** Without a request under way, longest first. */
  readonly #idle = new Set<Socket>()

  attach(server: Server): void {
    server.on('connection', (socket) => this.#admit(socket))
    // Before the request is looked at.
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request
      this.#count(socket, 1)
      const closed = Promise.withResolvers<void>()
      const before = this.#answers.get(socket)
      if (before) this.#turns.set(request, before)
      this.#answers.set(socket, closed.promise)
      // An answer whose turn did not come is not told that its connection has gone.
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

  /** Resolves when the requests before it on its connection have been answered. */
  async turn(request: IncomingMessage): Promise<void> {
    await this.#turns.get(request)
    if (request.socket.destroyed) throw new FsError('ECANCELED', 'the client went away')
  }

  /** Only what has to work is answered now. */
  isCrowded(): boolean {
    return this.#requests.size - this.#idle.size > httpLimits.apiConnections
  }

  #admit(socket: Socket): void {
    this.#requests.set(socket, 0)
    this.#idle.add(socket)
    socket.once('close', () => this.#forget(socket))
    if (this.#requests.size <= httpLimits.apiConnections) return
    const reserved = httpLimits.apiReservedConnections
    const isFull = this.#requests.size > httpLimits.apiConnections + reserved
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
    if (before + change > httpLimits.apiPipelined) socket.destroy()
  }

  #forget(socket: Socket): void {
    this.#requests.delete(socket)
    this.#idle.delete(socket)
  }
}
