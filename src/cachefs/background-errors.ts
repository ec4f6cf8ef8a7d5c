/**
 * Errors of background work, which no caller receives: they are kept in a bounded list and passed
 * to listeners and to the logger.
 *
 * Invariant: reporting never blocks the work that failed, and a listener that throws stops nothing.
 */
import { describe } from '../base/fs-error.ts'
import { RepeatedLog } from '../base/log/repeated-log.ts'
import { cachefsLimits } from './limits.ts'

export interface BackgroundError {
  /** For example `write` or `rename`. */
  operation: string
  path: string
  cause: unknown
  /**
   * True: it will be retried. False: the change was dropped, and the state of the remote applies.
   */
  willRetry: boolean
  timeMs: number
}

/** Any logger with these two methods, such as pino or `console`. */
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

  /** The latest errors, oldest first; a bounded number. */
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
    if (this.#recent.length > cachefsLimits.cacheErrors) this.#recent.shift()
    const { operation, path, cause, willRetry } = full
    attempt(() => {
      const fields = { operation, path, err: cause }
      const message = `${operation} of ${path} failed in the background: ${describe(cause)}`
      // A dropped change is lost for good, so each one is logged.
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
    // Listeners must handle their own errors.
  }
}
