/**
 * What verbs print: one line of JSON for programs, `name  value` lines for people, with sizes that
 * can be read; and a progress bar while a person waits.
 */
import { Presets, SingleBar } from 'cli-progress'
import type { ProgressLine } from '../http/node-status.ts'
import { formatSize } from './size.ts'

/** One answer: as JSON on one line, or its fields, one a line. */
export function print(answer: object, json: boolean): void {
  if (json) console.log(JSON.stringify(answer))
  else printFields(fieldsOf(answer))
}

function printFields(fields: [string, string][]): void {
  const width = Math.max(0, ...fields.map(([name]) => name.length))
  for (const [name, value] of fields) console.log(`${name.padEnd(width)}  ${value}`)
}

/** Nested objects are flattened: `cache.usedBytes`; a list has its numbers as names. */
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

/** A bar on a terminal, nothing elsewhere: in a log it would be noise. */
export class Progress implements Disposable {
  readonly #bar: SingleBar | undefined

  constructor(quiet: boolean) {
    if (quiet || !process.stderr.isTTY) return
    const format = '{bar} {percentage}% | {done} of {total} | {files} | {eta_formatted}'
    this.#bar = new SingleBar({ format, hideCursor: true }, Presets.shades_classic)
  }

  show({ doneBytes, totalBytes, doneFiles, totalFiles }: ProgressLine): void {
    const files = `${doneFiles} of ${totalFiles} files`
    const payload = { done: formatSize(doneBytes), total: formatSize(totalBytes), files }
    if (this.#bar?.isActive !== true) this.#bar?.start(totalBytes, doneBytes, payload)
    this.#bar?.setTotal(totalBytes)
    this.#bar?.update(doneBytes, payload)
  }

  [Symbol.dispose](): void {
    this.#bar?.stop()
  }
}
