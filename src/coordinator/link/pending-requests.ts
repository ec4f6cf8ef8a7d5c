/**
 * Requests of a node to its coordinator that wait for an answer, by number. They outlive a
 * connection. Their number is bounded, and so is the wait of each, except for endless ones.
 */
import { FsError } from '../../base/fs-error.ts'
import { coordinatorLimits } from '../limits.ts'
import { errorFromWire, type CoordinatorMessage, type NodeMessage } from './link-protocol.ts'

type Request = NodeMessage & { id: number }
/** A request without its number. */
export type LinkRequest = Request extends infer R
  ? R extends Request
    ? Omit<R, 'id'>
    : never
  : never

interface Pending {
  message: Request
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
  /** Reason of the abort, if it was cancelled. */
  reason: unknown
}

export class PendingRequests {
  readonly #pending = new Map<number, Pending>()
  #last: number

  /** `last`: numbers above it were never given to a request of this session. */
  constructor(last = 0) {
    this.#last = last
  }

  add(
    request: LinkRequest,
    how: { signal: AbortSignal | undefined; late: string },
  ): { message: Request; answer: Promise<unknown> } {
    this.#requirePlace()
    const id = ++this.#last
    const message: Request = { ...request, id }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const onAbort = (): void => this.#fail(id, how.signal?.reason)
    const timer = setTimeout(() => {
      this.#fail(id, new FsError('ETIMEDOUT', how.late))
    }, coordinatorLimits.linkOperationMs)
    how.signal?.addEventListener('abort', onAbort, { once: true })
    this.#pending.set(id, { message, resolve, reject, reason: undefined })
    const answer = promise.finally(() => {
      clearTimeout(timer)
      how.signal?.removeEventListener('abort', onAbort)
    })
    return { message, answer }
  }

  /**
   * Adds a request that may wait for ever. `cancel` is called when the signal aborts; if it returns
   * false, the coordinator cannot be reached, and the request ends here.
   */
  addEndless(
    request: LinkRequest,
    signal: AbortSignal | undefined,
    cancel: (id: number) => boolean,
  ): { message: Request; answer: Promise<unknown> } {
    this.#requirePlace()
    const id = ++this.#last
    const message: Request = { ...request, id }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const pending: Pending = { message, resolve, reject, reason: undefined }
    const onAbort = (): void => {
      pending.reason = signal?.reason
      if (!cancel(id)) this.#fail(id, signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#pending.set(id, pending)
    const answer = promise.finally(() => signal?.removeEventListener('abort', onAbort))
    return { message, answer }
  }

  /** In the order in which they were added; ends the cancelled ones. */
  all(): Request[] {
    for (const [id, { reason }] of this.#pending) if (reason !== undefined) this.#fail(id, reason)
    return [...this.#pending.values()].map(({ message }) => message)
  }

  #requirePlace(): void {
    if (this.#pending.size < coordinatorLimits.linkOperations) return
    throw new FsError('EAGAIN', 'too many requests wait for the coordinator')
  }

  /** `granted` is called with the request, before anything that waits for it continues. */
  settle(
    { id, value, error }: CoordinatorMessage & { kind: 'result' },
    granted: (request: Request) => void,
  ): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    if (value === true) granted(pending.message)
    if (error) pending.reject(errorFromWire(error))
    else pending.resolve(value ?? undefined)
  }

  failAll(error: Error): void {
    for (const id of this.#pending.keys()) this.#fail(id, error)
  }

  #fail(id: number, error: unknown): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    pending?.reject(error)
  }
}
