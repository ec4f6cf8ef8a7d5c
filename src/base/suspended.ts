/**
 * Suspension of synchronous file system operations. An operation either completes or throws
 * `Suspended` with a wait condition: plain data (it crosses threads) that describes what is absent,
 * such as chunks to fetch, space on the NVMe or a durable copy. The main thread resolves the
 * condition and runs the operation again from its start, until it completes. Each operation is
 * therefore written once, and worker threads, which must never wait, can run it.
 *
 * Invariant: an operation that throws has changed nothing, or repeating its changes is harmless.
 */
export class Suspended extends Error {
  readonly condition: unknown

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

/** Result of a wait condition, for operations that use it when they run again. */
export interface WaitResult {
  /** Identifies the wait condition. */
  key: string
  value?: unknown
  /** Error of the wait condition; `takeResult` throws it. */
  error?: unknown
}

let outcomes: WaitResult[] = []

/** Runs an operation again with the outcomes of its earlier wait conditions, in their order. */
export function resume<T>(found: readonly WaitResult[], operation: () => T): T {
  outcomes = [...found]
  try {
    return operation()
  } finally {
    outcomes = []
  }
}

/** Removes and returns the first outcome with this key; throws its error if it has one. */
export function takeResult(key: string): WaitResult | undefined {
  const at = outcomes.findIndex((outcome) => outcome.key === key)
  if (at < 0) return undefined
  const [found] = outcomes.splice(at, 1)
  if (found?.error !== undefined) throw found.error as Error
  return found
}
