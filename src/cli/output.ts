/**
 * Output of verbs: one line of JSON for programs, or `name  value` lines with readable sizes for
 * users; and the progress of a long action.
 */
import { Presets, SingleBar } from 'cli-progress'
import type { ProgressLine } from '../http/node/node-status.ts'
import { formatSize } from '../options/size.ts'

/** Prints a result: as JSON on one line, or one field per line. */
export function print(answer: object, json: boolean): void {
  if (json) console.log(JSON.stringify(answer))
  else printFields(fieldsOf(answer))
}

function printFields(fields: [string, string][]): void {
  const width = Math.max(0, ...fields.map(([name]) => name.length))
  for (const [name, value] of fields) console.log(`${name.padEnd(width)}  ${value}`)
}

/** Nested objects are flattened: `cache.usedBytes`; list elements are named by their index. */
function fieldsOf(value: unknown, name = ''): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[name, textOf(name, value)]]
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) {
    return [[name, value.join(', ')]]
  }
  return Object.entries(value).flatMap(([key, inner]) =>
    fieldsOf(inner, name === '' ? key : `${name}.${key}`),
  )
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'number' && name.endsWith('Bytes')) return formatSize(value)
  return String(value)
}

/** A progress line; file counts are optional. */
type Shown = Omit<ProgressLine, 'doneFiles' | 'totalFiles'> & Partial<ProgressLine>

/** Interval between lines without a terminal, ms. */
const PLAIN_MS = 3000
/** Window over which the rate is measured, ms. */
const RATE_MS = 10_000

/**
 * Shows the progress of an action on standard error: a bar on a terminal, otherwise a line every
 * few seconds, and nothing if the action ends before the first line.
 */
export class Progress implements Disposable {
  readonly #what: string
  readonly #bar: SingleBar | undefined
  readonly #isQuiet: boolean
  #saidMs = performance.now()
  #seen: { ms: number; bytes: number }[] = []

  constructor(what: string, quiet: boolean) {
    this.#what = what
    this.#isQuiet = quiet
    if (quiet || !process.stderr.isTTY) return
    this.#bar = new SingleBar({ format: '{bar} {text}', hideCursor: true }, Presets.shades_classic)
  }

  show(line: Shown): void {
    const rate = this.#rateOf(line.doneBytes)
    if (this.#bar !== undefined) {
      const payload = { text: sentenceOf(line, rate) }
      // The bar would show 0 of 0 as complete.
      const total = Math.max(1, line.totalBytes)
      if (!this.#bar.isActive) this.#bar.start(total, 0, payload)
      this.#bar.setTotal(total)
      this.#bar.update(line.totalBytes === 0 && line.done ? total : line.doneBytes, payload)
    } else if (!this.#isQuiet && performance.now() - this.#saidMs >= PLAIN_MS) {
      this.#saidMs = performance.now()
      console.error(`${this.#what}: ${sentenceOf(line, rate)}`)
    }
  }

  /** Recent rate in bytes per second; undefined until it can be measured. */
  #rateOf(bytes: number): number | undefined {
    const ms = performance.now()
    this.#seen.push({ ms, bytes })
    const recent = this.#seen.filter((it) => ms - it.ms <= RATE_MS)
    this.#seen = recent
    const [first] = recent
    if (first === undefined || ms - first.ms < 500) return undefined
    return ((bytes - first.bytes) * 1000) / (ms - first.ms)
  }

  [Symbol.dispose](): void {
    this.#bar?.stop()
  }
}

function sentenceOf(line: Shown, rate: number | undefined): string {
  const { doneBytes, totalBytes, doneFiles, totalFiles, counted = false, done = false } = line
  const isKnown = counted || done
  const share =
    isKnown && totalBytes > 0 ? ` (${Math.floor((doneBytes / totalBytes) * 100)} %)` : ''
  const parts = [
    `${formatSize(doneBytes)} of ${formatSize(totalBytes)}${isKnown ? share : ' counted so far'}`,
  ]
  if (totalFiles !== undefined) parts.push(`${doneFiles} of ${totalFiles} files`)
  if (rate !== undefined && !done) parts.push(`${formatSize(rate)}/s`)
  const left = totalBytes - doneBytes
  if (rate !== undefined && rate > 0 && counted && left > 0) parts.push(leftOf(left / rate))
  return parts.join(', ')
}

function leftOf(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s left`
  if (seconds < 90 * 60) return `${Math.ceil(seconds / 60)} min left`
  return `${Math.ceil(seconds / 3600)} h left`
}
