/**
 * A change of the metadata as it is told to the nodes that have a copy: the statements that one
 * operation ran, to be run again on the copy in the same order, and what they meant. The statements
 * have no time, chance or order of their own, so equal copies stay equal.
 */
import type { Effects } from './effects.ts'
import { change, one, statementOf, type Rule, type Value } from './statement.ts'

/** Plain data. */
export interface Change {
  /** Place in the order of all changes of a store; without gaps. */
  seq: number
  /** Peer id of the node whose operation it was; empty: the coordinator's own. */
  origin: string
  /** Key of a statement, then its arguments. */
  calls: readonly (readonly [key: number, ...args: Value[]])[]
  effects: Effects
}

/** Which state of which store a copy is. */
export interface CopyState {
  /** Id of the store; empty: none yet. */
  store: string
  seq: number
}

const selectState = one<CopyState>('SELECT store, seq FROM replica WHERE id = 1')
const upsertState = change(`INSERT INTO replica (id, store, seq) VALUES (1, ?, ?)
  ON CONFLICT (id) DO UPDATE SET store = excluded.store, seq = excluded.seq`)

export function* copyState(): Rule<CopyState> {
  return (yield* selectState()) ?? { store: '', seq: 0 }
}

export function* setCopyState({ store, seq }: CopyState): Rule<void> {
  yield* upsertState(store, seq)
}

/** Applies changes that follow on the state of the copy. */
export function* applyChanges(store: string, changes: readonly Change[]): Rule<void> {
  for (const { calls } of changes) {
    for (const [key, ...args] of calls) yield { statement: statementOf(key), args }
  }
  const last = changes.at(-1)
  if (last) yield* setCopyState({ store, seq: last.seq })
}
