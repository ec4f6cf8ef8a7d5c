/**
 * The connections of an API's server, so that a crowd shuts nobody out: where there are too many,
 * the one that has been without a request for the longest makes room. When requests are under way
 * on all of them, some further connections are let in for what has to work then: health, and what
 * other nodes ask for.
 *
 * Invariants: connections are bounded; none with a request under way is cut for another. Those that
 * were handed to another protocol are not counted here.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { limits } from '../limits.ts'

export class ConnectionRoom {
  readonly #requests = new Map<Socket, number>()
  /** Without a request under way, longest first. */
  readonly #idle = new Set<Socket>()

  attach(server: Server): void {
    server.on('connection', (socket) => this.#admit(socket))
    // Before the request is looked at.
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request
      this.#count(socket, 1)
      response.once('close', () => this.#count(socket, -1))
    })
    server.on('upgrade', ({ socket }: IncomingMessage) => this.#forget(socket))
  }

  /** Only what has to work is answered now. */
  isCrowded(): boolean {
    return this.#requests.size - this.#idle.size > limits.apiConnections
  }

  #admit(socket: Socket): void {
    this.#requests.set(socket, 0)
    this.#idle.add(socket)
    socket.once('close', () => this.#forget(socket))
    if (this.#requests.size <= limits.apiConnections) return
    const reserved = limits.apiReservedConnections
    const isFull = this.#requests.size > limits.apiConnections + reserved
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
  }

  #forget(socket: Socket): void {
    this.#requests.delete(socket)
    this.#idle.delete(socket)
  }
}
