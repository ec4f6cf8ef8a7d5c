/**
 * A file system operation here is a synchronous function that either completes or says what has to
 * happen first. `Blocked` is how it says so: it changes nothing, and carries a description (plain
 * data, it crosses threads) of what is missing: chunks to fetch, room on the NVMe, a durable copy.
 * Whoever may wait (the main thread) has it satisfied and runs the same operation again, until it
 * completes. So every operation is written once, and workers that must never wait can still run it.
 */
export class Blocked extends Error {
  readonly need: unknown

  constructor(need: unknown) {
    // No error: nobody looks where it came from.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super('the operation has to wait')
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'Blocked'
    this.need = need
  }
}

/** What was brought about, where the operation takes something from it when it is run again. */
export interface Outcome {
  /** Names what was asked for. */
  key: string
  value?: unknown
  /** It failed; thrown where the operation takes it. */
  error?: unknown
}

let outcomes: Outcome[] = []

/** Runs an operation again with what it was blocked by so far, in the order it asked. */
export function resume<T>(found: readonly Outcome[], operation: () => T): T {
  outcomes = [...found]
  try {
    return operation()
  } finally {
    outcomes = []
  }
}

/** The first outcome of what `key` names that was not taken yet. */
export function takeOutcome(key: string): Outcome | undefined {
  const at = outcomes.findIndex((outcome) => outcome.key === key)
  if (at < 0) return undefined
  const [found] = outcomes.splice(at, 1)
  if (found?.error !== undefined) throw found.error as Error
  return found
}
