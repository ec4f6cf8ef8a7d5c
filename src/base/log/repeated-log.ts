/**
 * Rate-limited log of repeated failures, for example while a server is unreachable: logs the first
 * of a kind at once, then once a minute the latest one with the number of failures.
 *
 * Invariants: a continuing failure is logged at least once a minute. At most `baseLimits.logKinds`
 * kinds are distinguished. The timers do not keep the process alive.
 */
import { baseLimits } from '../limits.ts'

/** Pino, `console`, or the logger that a user of the library supplies. */
interface LineLogger {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

interface Line {
  level: 'warn' | 'error'
  /** In pino's format; `err` is the failure. */
  fields: object
  message: string
}

interface Kind {
  hidden: number
  last: Line
}

const OTHERS = ''

export class RepeatedLog {
  readonly #logger: LineLogger
  readonly #everyMs: number
  /** Kinds of which a line was written within the last minute. */
  readonly #kinds = new Map<string, Kind>()

  constructor(logger: LineLogger, everyMs: number = baseLimits.logRepeatMs) {
    this.#logger = logger
    this.#everyMs = everyMs
  }

  /** `kind` identifies failures with the same reason; `fields.err` is the failure. */
  warn(kind: string, message: string, fields: object = {}): void {
    this.#note(kind, { level: 'warn', fields, message })
  }

  error(kind: string, message: string, fields: object = {}): void {
    this.#note(kind, { level: 'error', fields, message })
  }

  #note(wanted: string, line: Line): void {
    const isNew = !this.#kinds.has(wanted)
    const kind = isNew && this.#kinds.size >= baseLimits.logKinds ? OTHERS : wanted
    const known = this.#kinds.get(kind)
    if (known !== undefined) {
      known.hidden += 1
      known.last = line
      return
    }
    this.#kinds.set(kind, { hidden: 0, last: line })
    this.#logger[line.level](line.fields, line.message)
    this.#scheduleSummary(kind)
  }

  #scheduleSummary(name: string): void {
    const timer: unknown = setTimeout(() => {
      const kind = this.#kinds.get(name)
      if (kind === undefined || kind.hidden === 0) {
        this.#kinds.delete(name)
        return
      }
      const { hidden, last } = kind
      kind.hidden = 0
      const seconds = Math.round(this.#everyMs / 1000)
      const count = `${hidden} more in the last ${seconds} s, most recently: `
      this.#logger[last.level](last.fields, count + last.message)
      this.#scheduleSummary(name)
    }, this.#everyMs)
    // Browsers have no `unref`.
    const { unref } = timer as { unref?: () => void }
    unref?.call(timer)
  }
}
