/**
 * Runs the operations of nodes: takes their domains first (domain-modes.ts), runs them in the
 * metadata store, and sends the changes. Also runs what nodes did alone in domains that were
 * exclusive to them, from their outboxes.
 *
 * Invariant: the outbox of a node is run in the order in which it was sent, and domains are given
 * back after it.
 */
import { describe } from '../../base/fs-error.ts'
import type { Logger } from '../../base/log/logger.ts'
import type { Change } from '../../metadata/change.ts'
import { exclusiveTo, type ExclusiveDomain } from '../../metadata/domain-rules.ts'
import { footprintOf, type Footprint } from '../../metadata/footprint.ts'
import type { OperationArgs, OperationName } from '../../metadata/operations.ts'
import type { OutboxEntry } from '../../metadata/outbox-rules.ts'
import type { Rule } from '../../metadata/statement.ts'
import { filesCommitted, type NodeMessage } from '../link/link-protocol.ts'
import { checkOperation, checkOutbox } from '../link/operation-schema.ts'
import type { WriteLeases } from '../locks/write-leases.ts'
import type { Asker, MetadataStore } from '../metadata-store.ts'
import type { NumberOwners } from '../peers/number-owners.ts'
import type { Session } from '../session.ts'
import { DomainModes } from './domain-modes.ts'
import { OutboxState, type HasDomains } from './outbox-rule.ts'

export interface OperationRunnerOptions {
  store: MetadataStore
  numbers: NumberOwners
  leases: WriteLeases
  sessions: ReadonlyMap<string, Session>
  logger: Logger
  /** Called with the result of a node's operation, before its change is sent. */
  ran: (session: Session, name: OperationName, ran: Ran) => void
  /** Sends a change to the nodes that are up to date. */
  tell: (change: Change) => void
  /** Resolves when these sessions, and the one that asked, have applied a change. */
  applied: (seq: number, followers: Iterable<Session>, asker?: Session) => Promise<void>
  /** Resolves when nodes have claimed the domains that they had before a restart. */
  claimed: Promise<void>
}

/** Result of an operation, for which the followers need not be waited any more. */
export interface Ran {
  value: unknown
  change: Change | undefined
  /** The answer was sent already. */
  isAnswered?: boolean
}

export class OperationRunner {
  readonly #options: OperationRunnerOptions
  readonly modes: DomainModes<Session>
  /** Outboxes that were sent in an earlier session. */
  readonly #late = new WeakMap<Session, OutboxState>()

  constructor(options: OperationRunnerOptions) {
    this.#options = options
    this.modes = new DomainModes({
      users: () => options.sessions.values(),
      settled: () => options.store.settled(),
    })
  }

  /** The domains that were exclusive to nodes before this coordinator started. */
  reserve(domains: readonly ExclusiveDomain[]): void {
    for (const { domain, node } of domains) this.modes.reserve(domain, node)
  }

  /**
   * Runs an operation of a node; resolves when all followers have applied its change. `answer` is
   * called if the change makes domains exclusive to the node, before others can take them again.
   */
  async operate(
    session: Session,
    { id, name, args, once }: NodeMessage & { kind: 'operation' },
    answer: (ran: Ran, exclusive: readonly number[]) => void,
  ): Promise<Ran> {
    const wanted = checkOperation(name, args)
    const node = session.peer.id
    // Two separate sequences of numbers: requests of a mount, operations of a session.
    const [by, operation] = once ? [`mount ${once.mount}`, once.request] : [session.token, id]
    const asker = { peer: node, session: by, operation }
    const given = args as OperationArgs<typeof wanted>
    // The operation may depend on what the node did alone.
    await session.outbox
    if (wanted === 'reserveNumbers') return await this.#reserve(asker, given)
    const check = (): void => this.#check(session, wanted, given)
    return await this.#run(session, { name: wanted, args: given }, async (granted, overridden) => {
      const how = { check, granted, overridden }
      const done = await this.#options.store.perform(asker, wanted, given, how)
      this.#options.ran(session, wanted, done)
      if (done.change === undefined || done.isRepeated) return done
      this.#options.tell(done.change)
      if (granted.length > 0) {
        // Only in the same turn nobody can recall a domain before the node knows that it has it.
        const isSent = session.sent === done.change.seq
        if (isSent) this.modes.grant(session, granted)
        else await this.#end(granted)
        if (isSent) answer(done, granted)
        return { ...done, isAnswered: isSent }
      }
      return done
    })
  }

  /** Removes an inode that no node has open; nodes learn of it later. */
  async purge(ino: number): Promise<void> {
    const { store, tell } = this.#options
    const footprint = this.#footprint('purgeOrphan', [ino])
    await this.modes.change(undefined, footprint, async ({ overridden }) => {
      const done = await store.performOwn('purgeOrphan', [ino], { overridden })
      if (done.change) tell(done.change)
      return done
    })
  }

  async #run<K extends OperationName>(
    session: Session,
    { name, args }: { name: K; args: OperationArgs<K> },
    run: (granted: readonly number[], overridden: readonly number[]) => Promise<Ran>,
  ): Promise<Ran> {
    let followers: Iterable<Session> = []
    const done = await this.modes.change(session, this.#footprint(name, args), async (permit) => {
      ;({ followers } = permit)
      const canBeGranted = session.canBeGranted(this.#options.store.seq)
      return await run(canBeGranted ? permit.granted : [], permit.overridden)
    })
    if (done.change) await this.#options.applied(done.change.seq, followers, session)
    return done
  }

  #footprint<K extends OperationName>(name: K, args: OperationArgs<K>): () => Promise<Footprint> {
    return () => this.#options.store.read(() => footprintOf(name, args))
  }

  #check<K extends OperationName>(session: Session, name: K, args: OperationArgs<K>): void {
    this.#options.numbers.check(session.peer.id, name, args)
    for (const ino of filesCommitted(name, args)) this.#options.leases.requireNoOther(ino, session)
  }

  /** Reserves numbers for a node. No other node can use them, also under later leaders. */
  async #reserve(asker: Asker, args: readonly unknown[]): Promise<Ran> {
    const [counter, count] = args as OperationArgs<'reserveNumbers'>
    const { store, numbers, tell } = this.#options
    const done = await store.perform(asker, 'reserveNumbers', [counter, count, asker.peer])
    numbers.note(counter, done.value as number, count, asker.peer)
    if (done.change) tell(done.change)
    return done
  }

  /** Handles a message after all that the node sent before it in its outbox. */
  inOrder(session: Session, work: () => Promise<void>): void {
    session.outbox = session.outbox.then(async () => {
      await this.#options.claimed
      if (session.hasEnded()) return
      try {
        await work()
      } catch (error) {
        this.#options.logger.warn(`the outbox of ${session.peer.id}: ${describe(error)}`)
        session.socket?.terminate()
      }
    })
  }

  /** Runs operations that a node ran alone. */
  async takeOutbox(
    session: Session,
    { run, entries: sent, isLate }: NodeMessage & { kind: 'outbox' },
  ): Promise<void> {
    const entries = sent.map((entry) => ({ ...entry, name: checkOutbox(entry), run }))
    if (isLate) for (const entry of entries) await this.#takeLate(session, entry)
    else await this.#takeBatch(session, entries)
  }

  async #takeBatch(session: Session, entries: OutboxEntry[]): Promise<void> {
    const has = function* (this: DomainModes<Session>, domains: readonly number[]): Rule<boolean> {
      return this.holds(session, domains)
    }.bind(this.modes)
    const done = await this.#performOutbox(session, entries, has, new OutboxState())
    if (done.change === undefined) return
    this.modes.grant(session, done.change.effects.exclusive)
    this.#options.tell(done.change)
  }

  /** Others may rely on its domains by now, if they have not changed them. */
  async #takeLate(session: Session, entry: OutboxEntry): Promise<void> {
    const state = this.#late.get(session) ?? new OutboxState()
    this.#late.set(session, state)
    const node = session.peer.id
    const has = function* (domains: readonly number[]): Rule<boolean> {
      for (const domain of domains) if ((yield* exclusiveTo(domain)) !== node) return false
      return true
    }
    const args = entry.args as OperationArgs<typeof entry.name>
    await this.#run(session, { name: entry.name, args }, async () => {
      const done = await this.#performOutbox(session, [entry], has, state)
      if (done.change) this.#options.tell(done.change)
      return done
    })
  }

  async #performOutbox(
    session: Session,
    entries: OutboxEntry[],
    has: HasDomains,
    state: OutboxState,
  ): Promise<Ran> {
    const { run, id } = entries.at(-1)!
    const asker = { peer: session.peer.id, session: `outbox ${run}`, operation: id }
    const check = (): void => {
      for (const { name, args } of entries) {
        this.#options.numbers.check(asker.peer, name, args as OperationArgs<typeof name>)
      }
    }
    return await this.#options.store.performOutbox(asker, entries, { check, has, state })
  }

  async returnDomains(session: Session, domains: readonly number[]): Promise<void> {
    await this.#end(domains)
    this.modes.returned(session, domains)
    session.mayHold = true
  }

  /** Records that domains are not exclusive any more. */
  async #end(domains: readonly number[]): Promise<void> {
    const done = await this.#options.store.performOwn('endExclusive', [[...domains]])
    if (done.change) this.#options.tell(done.change)
  }
}
