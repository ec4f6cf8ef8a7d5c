/**
 * Runs operations from the outbox of a node on the coordinator. An operation is refused if one of
 * its domains was not exclusive to the node, or if it may depend on one that was refused: then the
 * domain has changed meanwhile, and the two histories are never merged silently.
 */
import { FsError, codeOf } from '../../base/fs-error.ts'
import { allEffects, type Effects } from '../../metadata/effects.ts'
import { footprintOf } from '../../metadata/footprint.ts'
import type { OperationArgs } from '../../metadata/operations.ts'
import { runAlone, type OutboxEntry } from '../../metadata/outbox-rules.ts'
import type { Rule } from '../../metadata/statement.ts'

/** Whether the node had all these domains when it ran the operation. */
export type HasDomains = (domains: readonly number[]) => Rule<boolean>

/** What is known of an outbox whose operations are run, over several transactions. */
export class OutboxState {
  /** Ids of refused entries. */
  readonly refused = new Set<number>()
  /** Domains of refused operations, which may lack something that later ones need. */
  readonly diverged = new Set<number>()
}

/** The metadata refuses an operation, whose transaction is run again without it. */
export class EntryRefused extends Error {
  readonly id: number

  constructor(id: number, cause: unknown) {
    super(`operation ${id} of an outbox is refused`, { cause })
    this.id = id
  }
}

/** Throws EntryRefused if the rules refuse one that is not in `refused`. */
export function* outboxRule(
  node: string,
  entries: readonly OutboxEntry[],
  { has, state }: { has: HasDomains; state: OutboxState },
): Rule<Effects> {
  const effects: Effects[] = []
  const created = new Set<number>()
  for (const entry of entries) {
    const given = entry.args as OperationArgs<typeof entry.name>
    const { domains, created: mayCreate } = yield* footprintOf(entry.name, given)
    const others = domains.filter((domain) => !created.has(domain))
    const isKnown = state.refused.has(entry.id) || domains.some((it) => state.diverged.has(it))
    if (!isKnown && (yield* has(others))) {
      effects.push(yield* run(entry, node, mayCreate))
      for (const domain of entry.created) created.add(domain)
    } else {
      state.refused.add(entry.id)
      for (const domain of [...domains, ...entry.created]) state.diverged.add(domain)
    }
  }
  return allEffects(effects)
}

function* run(
  { id, name, args, created }: OutboxEntry,
  node: string,
  mayCreate: readonly number[],
): Rule<Effects> {
  const given = args as OperationArgs<typeof name>
  try {
    if (!created.every((domain) => mayCreate.includes(domain))) {
      throw new FsError('EINVAL', `${name} does not create all of ${created.join(', ')}`)
    }
    return (yield* runAlone(name, given, { created, node })).effects
  } catch (error) {
    if (error instanceof FsError && codeOf(error) !== 'EIO') throw new EntryRefused(id, error)
    throw error
  }
}
