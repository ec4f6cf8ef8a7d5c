/**
 * How a cloud tier calls its store: at most so many calls at once, each with a deadline, and every
 * failure told in one sentence: what was tried, where, why, and what to do about it.
 *
 * Invariants: waiting for a place does not count against the deadline; nothing of a request (keys,
 * signatures, headers) gets into a message or a cause.
 */
import { FsError } from '../../base/fs-error.ts'
import type { FsErrorCode } from '../../base/fs-error.ts'
import { Semaphore } from '../../base/semaphore.ts'
import { limits } from '../../limits.ts'
import { CallDeadline } from './call-deadline.ts'
import { networkReason } from './network-reason.ts'

export interface Reason {
  code: FsErrorCode
  text: string
}

export interface CallerOptions {
  /** Of the tier, for messages. */
  name: string
  /** `host:port` that is called. */
  host: string
  /** What an answer of the store means; undefined where it is no answer at all. */
  explain: (error: unknown) => Reason | undefined
}

export interface CallDescription {
  /** As in 'cannot read'. */
  verb: string
  key?: string | undefined
  signal?: AbortSignal | undefined
  callMs?: number | undefined
}

export class CloudCaller {
  readonly #options: CallerOptions
  readonly #places = new Semaphore(limits.cloudCallsAtOnce)

  constructor(options: CallerOptions) {
    this.#options = options
  }

  async call<T>(what: CallDescription, work: (deadline: CallDeadline) => Promise<T>): Promise<T> {
    const permit = await this.#places.acquire(1, what)
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
      // A network's failure is said with its code already.
      cause: network === undefined ? sentenceOf(error) : undefined,
    })
  }
}

/** What the store said, without the request and the headers that SDKs hang on their errors. */
function sentenceOf(error: unknown): Error {
  const { name, code, message } = (error ?? {}) as Record<string, unknown>
  const title = [code, name].find((it) => typeof it === 'string' && it !== '' && it !== 'Error')
  const first = (typeof message === 'string' ? message : '').split('\n')[0] ?? ''
  return new Error(typeof title === 'string' ? `${title}: ${first}` : first)
}
