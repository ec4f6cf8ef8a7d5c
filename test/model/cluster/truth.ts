/**
 * The history of each directory in a model: its states in the order in which operations ran,
 * wherever they ran. A read is right if it returns a state that was there between its start and its
 * end: not older than one that somebody was told of before the read began.
 */
import assert from 'node:assert/strict'
import { many, type Rule } from '../../../src/metadata/statement.ts'

export type ReadsRules = <T>(rule: Rule<T>) => T

const selectState = many<{ text: string }>(`SELECT hex(dentry.name) || ':' || dentry.ino || ':' ||
  dentry.seq || CASE WHEN inode.nlink = 1 AND inode.parent = dentry.parent THEN
    ':' || inode.mode || ':' || inode.size || ':' || inode.version ELSE '' END AS text
  FROM dentry JOIN inode ON inode.ino = dentry.ino WHERE dentry.parent = ? ORDER BY dentry.name
  LIMIT 1000`)
const selectOwn = many<{ text: string }>(
  `SELECT mode || ':' || nlink || ':' || mtime_sec || ':' || mtime_nsec AS text FROM inode
  WHERE ino = ? AND ino <> ? LIMIT 1`,
)

/** Everything that belongs to the domain of a directory, as text. */
export function* stateOf(domain: number): Rule<string> {
  const own = yield* selectOwn(domain, 0)
  const entries = yield* selectState(domain)
  return [...own, ...entries].map(({ text }) => text).join('\n')
}

interface History {
  states: string[]
  /** Index of the last state that somebody was told of. */
  known: number
}

export class Truth {
  readonly #histories = new Map<number, History>()
  /** Domains of which a node that lost its lease has unsent changes. */
  readonly disputed = new Set<number>()

  get domains(): number[] {
    return [...this.#histories.keys()]
  }

  /** Records the states after an operation; nobody was told of them yet. */
  executed(domains: readonly number[], read: ReadsRules): void {
    for (const domain of domains) {
      const history = this.#history(domain)
      const state = read(stateOf(domain))
      if (history.states.at(-1) !== state) history.states.push(state)
    }
  }

  #history(domain: number): History {
    const found = this.#histories.get(domain) ?? { states: [''], known: 0 }
    this.#histories.set(domain, found)
    return found
  }

  /** Everything that was executed in these domains is known to a program now. */
  acknowledged(domains: readonly number[]): void {
    for (const domain of domains) {
      const history = this.#history(domain)
      history.known = history.states.length - 1
    }
  }

  /** Call when a read starts; the result checks what it has read. */
  reading(domain: number): (state: string) => void {
    const history = this.#history(domain)
    const first = history.known
    return (state) => {
      if (this.disputed.has(domain)) return
      const at = history.states.lastIndexOf(state)
      assert.ok(at >= first, `directory ${domain}: ${this.#explain(history, first, state)}`)
      history.known = Math.max(history.known, at)
    }
  }

  #explain({ states }: History, first: number, state: string): string {
    const later = states.slice(first).map((it) => JSON.stringify(it))
    return `read ${JSON.stringify(state)}, not one of:\n${later.join('\n')}`
  }

  /** What nodes had unsent is settled: the coordinator's state counts. */
  settle(read: ReadsRules): void {
    for (const domain of this.disputed) {
      const history = this.#history(domain)
      history.states = [read(stateOf(domain))]
      history.known = 0
    }
    this.disputed.clear()
  }
}
