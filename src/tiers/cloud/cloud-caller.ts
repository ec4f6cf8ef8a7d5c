/**
 * Sends the requests of a cloud tier: limits how many are in flight, gives each a deadline, and
 * translates each failure to one sentence with the operation, the object, the cause and the remedy.
 *
 * Invariants: time spent waiting for a permit does not count against the deadline. No part of a
 * request (keys, signatures, headers) appears in a message or a cause.
 */
import { FsError } from '../../base/fs-error.ts'
import type { FsErrorCode } from '../../base/fs-error.ts'
import { Semaphore } from '../../base/async/semaphore.ts'
import { tiersLimits } from '../limits.ts'
import { CallDeadline } from './call-deadline.ts'
import { networkReason } from './network-reason.ts'

export interface Reason {
  code: FsErrorCode
  text: string
}

export interface CallerOptions {
  /** Name of the tier, for messages. */
  name: string
  /** `host:port` of the store. */
  host: string
  /** Maps an error response of the store; undefined if the error is not a response. */
  explain: (error: unknown) => Reason | undefined
}

export interface CallDescription {
  /** Completes 'cannot ...': `read`, `write`. */
  verb: string
  key?: string | undefined
  signal?: AbortSignal | undefined
  callMs?: number | undefined
}

export class CloudCaller {
  readonly #options: CallerOptions
  readonly #permits = new Semaphore(tiersLimits.cloudCallsAtOnce)

  constructor(options: CallerOptions) {
    this.#options = options
  }

  async call<T>(what: CallDescription, work: (deadline: CallDeadline) => Promise<T>): Promise<T> {
    const permit = await this.#permits.acquire(1, what)
    const deadline = new CallDeadline(what.signal, what.callMs)
    try {
      if (deadline.error !== undefined) throw deadline.error
      return await work(deadline)
    } catch (error) {
      throw this.#translate(what, deadline.error ?? error)
    } finally {
      deadline[Symbol.dispose]()
      permit.release()
    }
  }

  #translate({ verb, key }: CallDescription, error: unknown): FsError {
    const { name, host, explain } = this.#options
    const subject = key === undefined ? name : `${key} at ${name}`
    if (error instanceof FsError) {
      const text = error.message.slice(error.code.length + 2)
      const at = error.code === 'ETIMEDOUT' ? ` (${host})` : ''
      return new FsError(error.code, `cannot ${verb} ${subject}${at}: ${text}`, {
        path: key,
        cause: error.cause,
      })
    }
    const answer = explain(error)
    const network = answer === undefined ? networkReason(error, host) : undefined
    const reason = answer ?? network ?? { code: 'EIO', text: host }
    return new FsError(reason.code, `cannot ${verb} ${subject}: ${reason.text}`, {
      path: key,
      // The message of a network failure contains its code already.
      cause: network === undefined ? messageOnly(error) : undefined,
    })
  }
}

/** The message of the store, without the request and headers that SDKs attach to their errors. */
function messageOnly(error: unknown): Error {
  const { name, code, message } = (error ?? {}) as Record<string, unknown>
  const title = [code, name].find((it) => typeof it === 'string' && it !== '' && it !== 'Error')
  const first = (typeof message === 'string' ? message : '').split('\n')[0] ?? ''
  return new Error(typeof title === 'string' ? `${title}: ${first}` : first)
}
