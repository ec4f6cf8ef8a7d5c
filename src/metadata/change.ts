/**
 * A metadata change as sent to nodes with a replica: the statements of one operation, which the
 * replica runs in the same order, and their effects. The statements depend on neither time nor
 * randomness nor row order, so equal replicas stay equal.
 */
import type { Effects } from './effects.ts'
import { change, one, statementOf, type Rule, type Value } from './statement.ts'

/** Plain data. */
export interface Change {
  /** Position in the order of all changes of a store, without gaps. */
  seq: number
  /** Peer id of the node that requested the operation; empty: the coordinator itself. */
  origin: string
  /** Name of a statement, then its arguments. */
  calls: readonly (readonly [name: string | number, ...args: Value[]])[]
  effects: Effects
  /** Given if these are operations from the outbox of the origin, which has applied them. */
  outbox?: OutboxRange | undefined
}

/** Entries of one outbox, up to `last`; `run` identifies the process that made them. */
export interface OutboxRange {
  run: string
  last: number
  count: number
  /** Ids of those that were not run, because their domains have changed. */
  refused: readonly number[]
}

/** The store that a replica copies, and the last change that it has applied. */
export interface CopyState {
  /** Id of the store; empty: none yet. */
  store: string
  seq: number
}

/** The same, and the last term that the replica knows; empty: none. */
export interface CopyHistory extends CopyState {
  term: string
}

const selectState = one<CopyState>('SELECT store, seq FROM replica WHERE id = 1')
const upsertState = change(
  'change.upsertState',
  `INSERT INTO replica (id, store, seq) VALUES (1, ?, ?)
  ON CONFLICT (id) DO UPDATE SET store = excluded.store, seq = excluded.seq`,
)

export function* copyState(): Rule<CopyState> {
  return (yield* selectState()) ?? { store: '', seq: 0 }
}

export function* setCopyState({ store, seq }: CopyState): Rule<void> {
  yield* upsertState(store, seq)
}

/**
 * Applies changes that directly follow the state of the replica. `isApplied`: whether the replica
 * has the change already, because its node made it.
 */
export function* applyChanges(
  store: string,
  changes: readonly Change[],
  isApplied: (change: Change) => Rule<boolean> = never,
): Rule<void> {
  for (const change of changes) {
    if (yield* isApplied(change)) continue
    for (const [name, ...args] of change.calls) yield { statement: statementOf(name), args }
  }
  const last = changes.at(-1)
  if (last) yield* setCopyState({ store, seq: last.seq })
}

function* never(): Rule<boolean> {
  return false
}
