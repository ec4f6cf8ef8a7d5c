/**
 * What went wrong in the background, where no caller hears of it: kept in a bounded list, given to
 * listeners and to the logger. It never blocks the work that failed, and a listener that throws
 * stops nothing.
 */
import { describe } from '../base/fs-error.ts'
import { RepeatedLog } from '../base/repeated-log.ts'
import { limits } from '../limits.ts'

export interface BackgroundError {
  /** `write`, `rename`, ... */
  operation: string
  path: string
  cause: unknown
  /** It is tried again; false: the change was dropped, and the remote's state counts. */
  willRetry: boolean
  timeMs: number
}

/** Any logger that has these two, such as pino's or `console`. */
export interface CacheLogger {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type ErrorListener = (error: BackgroundError) => void

export class BackgroundErrors {
  readonly #recent: BackgroundError[] = []
  readonly #listeners = new Set<ErrorListener>()
  readonly #logger: CacheLogger | undefined
  readonly #repeated: RepeatedLog | undefined
  count = 0

  constructor(logger?: CacheLogger) {
    this.#logger = logger
    this.#repeated = logger && new RepeatedLog(logger)
  }

  /** Oldest first; the oldest ones go when there are too many. */
  get recent(): BackgroundError[] {
    return [...this.#recent]
  }

  listen(listener: ErrorListener): void {
    this.#listeners.add(listener)
  }

  unlisten(listener: ErrorListener): void {
    this.#listeners.delete(listener)
  }

  report(error: Omit<BackgroundError, 'timeMs'>): void {
    const full = { ...error, timeMs: Date.now() }
    this.count++
    this.#recent.push(full)
    if (this.#recent.length > limits.cacheErrors) this.#recent.shift()
    const { operation, path, cause, willRetry } = full
    attempt(() => {
      const fields = { operation, path, err: cause }
      const message = `${operation} of ${path} failed in the background: ${describe(cause)}`
      // What is given up is gone: each of them is said.
      if (willRetry) this.#repeated?.warn(operation, message, fields)
      else this.#logger?.error(fields, message)
    })
    for (const listener of this.#listeners) attempt(() => listener(full))
  }
}

function attempt(work: () => void): void {
  try {
    work()
  } catch {
    // Whoever listens to errors has to handle their own.
  }
}
