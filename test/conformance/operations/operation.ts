/**
 * Shared parts of operations: the state of the process that runs them, and the parsing of their
 * words.
 */
import { constants } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { close, munmap, type Mapping } from '../system-calls.ts'

/**
 * Returns the text to print, or undefined; throws an error whose `code` is the name of an errno.
 */
export type Operation = (process: ProcessState, words: readonly string[]) => string | undefined

export type Operations = Readonly<Record<string, Operation>>

/** Descriptors, mappings and notes of one case in one process, by the names used in steps. */
export class ProcessState implements Disposable {
  readonly files = new Map<string, number>()
  readonly mappings = new Map<string, Mapping>()
  /** Attributes saved by `note`. */
  readonly notes = new Map<string, BigIntStats>()

  /** The descriptor of a name. */
  file(name: string | undefined): number {
    const fd = this.files.get(name ?? '')
    if (fd === undefined) throw new Error(`no file is open as '${name}'`)
    return fd
  }

  mapping(name: string | undefined): Mapping {
    const found = this.mappings.get(name ?? '')
    if (found === undefined) throw new Error(`nothing is mapped as '${name}'`)
    return found
  }

  [Symbol.dispose](): void {
    for (const fd of this.files.values()) close(fd)
    for (const mapping of this.mappings.values()) munmap(mapping)
    this.files.clear()
    this.mappings.clear()
    this.notes.clear()
  }
}

/** The sum of named flags, `A|B`, from `fs.constants` or `more`. */
export function flagsOf(
  text: string | undefined,
  more: Readonly<Record<string, number>> = {},
): number {
  if (text === undefined || text === '0') return 0
  const named = { ...constants, ...more } as Record<string, number>
  return text.split('|').reduce((sum, name) => {
    const flag = named[name]
    if (flag === undefined) throw new Error(`'${name}' is no flag`)
    return sum | flag
  }, 0)
}

export function modeOf(text: string | undefined, otherwise: number): number {
  return text === undefined ? otherwise : Number.parseInt(text, 8)
}
