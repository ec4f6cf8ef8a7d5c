/**
 * Suspension of synchronous file system operations. An operation either completes or throws
 * `Suspended` with a wait condition: plain data (it crosses threads) that describes what is absent,
 * such as chunks to fetch, space on the NVMe or a durable copy. The main thread resolves the
 * condition and runs the operation again from its start, until it completes. Each operation is
 * therefore written once, and worker threads, which must never wait, can run it.
 *
 * Invariant: an operation that throws `NotStarted` has changed nothing that others can see. One
 * that throws `Awaiting` has made its changes, and when it runs again it takes the result of the
 * wait (CurrentRequest.take) before it would make them a second time.
 */
export abstract class Suspended extends Error {
  readonly condition: unknown
  /** Whether the operation has made its changes. */
  abstract readonly hasChanged: boolean

  constructor(condition: unknown) {
    // Not a failure: nobody reads its stack, and taking one is slow.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super('the operation is suspended')
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'Suspended'
    this.condition = condition
  }
}

/** The operation has changed nothing, or only what a retry repeats harmlessly: it can end here. */
export class NotStarted extends Suspended {
  readonly hasChanged = false
}

/** The changes are made, and only the reply has to wait: to end here is to report it falsely. */
export class Awaiting extends Suspended {
  readonly hasChanged = true
}

/** Names the result of a wait; `T` is the type of its value. */
export class ResultOf<T = undefined> {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  /** A result for an inode, or for another subject of the wait. */
  of(subject: number | string, ...[value]: [T] extends [undefined] ? [] : [value: T]): WaitResult {
    return { of: this, subject, value }
  }

  /** The wait failed; `CurrentRequest.take` throws the error. */
  failed(subject: number | string, error: unknown): WaitResult {
    return { of: this, subject, error }
  }
}

/** Result of a wait, for the operation that runs again. */
export interface WaitResult {
  readonly of: { readonly name: string }
  readonly subject: number | string
  readonly value?: unknown
  readonly error?: unknown
}
