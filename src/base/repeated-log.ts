/**
 * Log lines of failures that come in numbers while something is away: the first at once, then one a
 * minute with the last of them and how many there were.
 *
 * Invariants: a failure that goes on is never silent for longer than a minute; no more than
 * `limits.logKinds` kinds are told apart; nothing here keeps a process alive.
 */
import { limits } from '../limits.ts'

/** Pino's, `console`, or what a user of the library gives. */
interface LineLogger {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

interface Line {
  level: 'warn' | 'error'
  /** As pino takes them; `err` is the failure. */
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
  /** Those of which a line was written within the last minute. */
  readonly #kinds = new Map<string, Kind>()

  constructor(logger: LineLogger, everyMs: number = limits.logRepeatMs) {
    this.#logger = logger
    this.#everyMs = everyMs
  }

  /** `kind` is the same for failures that have one reason; `fields.err` is the failure. */
  warn(kind: string, message: string, fields: object = {}): void {
    this.#note(kind, { level: 'warn', fields, message })
  }

  error(kind: string, message: string, fields: object = {}): void {
    this.#note(kind, { level: 'error', fields, message })
  }

  #note(wanted: string, line: Line): void {
    const isNew = !this.#kinds.has(wanted)
    const kind = isNew && this.#kinds.size >= limits.logKinds ? OTHERS : wanted
    const known = this.#kinds.get(kind)
    if (known !== undefined) {
      known.hidden += 1
      known.last = line
      return
    }
    this.#kinds.set(kind, { hidden: 0, last: line })
    this.#logger[line.level](line.fields, line.message)
    this.#lookLater(kind)
  }

  #lookLater(name: string): void {
    const timer: unknown = setTimeout(() => {
      const kind = this.#kinds.get(name)
      if (kind === undefined || kind.hidden === 0) {
        this.#kinds.delete(name)
        return
      }
      const { hidden, last } = kind
      kind.hidden = 0
      const seconds = Math.round(this.#everyMs / 1000)
      const count = `${hidden} more of these in ${seconds} s, the last one: `
      this.#logger[last.level](last.fields, count + last.message)
      this.#lookLater(name)
    }, this.#everyMs)
    // Not in browsers.
    const { unref } = timer as { unref?: () => void }
    unref?.call(timer)
  }
}
