/**
 * The metadata store of a volume: runs operations as transactions. Each transaction also writes the
 * change, with its asker and its result, into a log. Nodes that were offline get the changes they
 * missed from the log. An operation that is sent again because its answer was lost is answered from
 * the log and not run twice.
 *
 * Invariant: a change gets its number in the transaction that makes it, and transactions commit one
 * after the other, so the order of the log is the order of commits.
 */
import { decodeEntry, encodeEntry, type LogEntry } from './log-entry.ts'
import { randomUUID } from 'node:crypto'
import { now } from '../base/clock.ts'
import { coordinatorLimits } from './limits.ts'
import { tiersLimits } from '../tiers/limits.ts'
import { metadataLimits } from '../metadata/limits.ts'
import { volumeLimits } from '../volume/limits.ts'
import { EntryRefused, outboxRule } from './domains/outbox-rule.ts'
import type { HasDomains, OutboxState } from './domains/outbox-rule.ts'
import { listOrphans } from '../metadata/chunk-rules.ts'
import { copyState, setCopyState } from '../metadata/change.ts'
import type { Change, CopyState, OutboxRange } from '../metadata/change.ts'
import { endExclusive, listExclusive, makeExclusive } from '../metadata/domain-rules.ts'
import type { ExclusiveDomain } from '../metadata/domain-rules.ts'
import { effectsOf, type Effects } from '../metadata/effects.ts'
import { passEntries, type OutboxEntry } from '../metadata/outbox-rules.ts'
import type { StoreEngine } from '../metadata/store-engine.ts'
import { ruleOf, type OperationArgs, type OperationName } from '../metadata/operations.ts'
import {
  change,
  changeReturning,
  many,
  one,
  type Call,
  type Row,
  type Rule,
} from '../metadata/statement.ts'
import { listTerms, type StoreTerm } from '../metadata/term-rules.ts'
import { createRoot, randomSkips, type Totals } from '../metadata/volume-rules.ts'

/** Identity of a request: a process of a node, and its number of the operation. */
export interface Asker {
  peer: string
  session: string
  operation: number
}

export interface Performed {
  value: unknown
  /** Undefined if nothing changed. */
  change: Change | undefined
  /** It was run before, for the same request. */
  isRepeated?: boolean
}

export interface PerformOptions {
  /** Throws if the operation is not permitted any more; repeated operations skip it. */
  check?: () => void
  /** Domains that become exclusive to the asker. */
  granted?: readonly number[]
  /** Domains that no longer are exclusive to anybody. */
  overridden?: readonly number[]
}

export interface OutboxOptions {
  check?: () => void
  has: HasDomains
  state: OutboxState
}

interface RuleOutcome {
  value: unknown
  effects: Effects
  outbox?: OutboxRange
}

const takeNumber = changeReturning<{ seq: number }>(
  'metadata-store.takeNumber',
  'UPDATE replica SET seq = seq + 1 WHERE id = 1 RETURNING seq',
)
const insertLog = change(
  'metadata-store.insertLog',
  'INSERT INTO log (seq, session, operation, change) VALUES (?, ?, ?, ?)',
)
const selectLog = many<{ change: Uint8Array }>(
  'SELECT change FROM log WHERE seq > ? ORDER BY seq LIMIT ?',
)
const selectDone = one<{ change: Uint8Array }>(
  'SELECT change FROM log WHERE session = ? AND operation = ?',
)
const selectLast = one<{ operation: number }>(
  'SELECT operation FROM log WHERE session = ? ORDER BY operation DESC LIMIT 1',
)
const selectFirst = one<{ seq: number }>('SELECT seq FROM log ORDER BY seq LIMIT 1')
const selectSessions = many<{ token: string }>('SELECT token FROM session WHERE ? = 1')
const insertSession = change(
  'metadata-store.insertSession',
  'INSERT INTO session (token) VALUES (?) ON CONFLICT (token) DO NOTHING',
)
const deleteSession = change('metadata-store.deleteSession', 'DELETE FROM session WHERE token = ?')
const trimLog = change('metadata-store.trimLog', 'DELETE FROM log WHERE seq <= ?')

export class MetadataStore {
  readonly #engine: StoreEngine
  readonly #store: string
  #seq: number
  /** Number of the first change in the log. */
  #first: number
  /** Node processes whose metadata leases may have been valid when the store was opened. */
  readonly earlierSessions: readonly string[]
  /** The last operation that each process has requested; later numbers were never run. */
  readonly #lastAsked = new Map<string, number>()
  readonly #self = randomUUID()
  /** The openings of this store, the oldest first. */
  readonly #terms: StoreTerm[]
  #ownOperations = 0

  private constructor(engine: StoreEngine, found: Found) {
    this.#engine = engine
    this.#store = found.state.store
    this.#seq = found.state.seq
    this.#first = found.first
    this.earlierSessions = found.sessions
    this.#terms = found.terms
  }

  /** The store owns the engine and closes it. */
  static async open(engine: StoreEngine): Promise<MetadataStore> {
    try {
      return new MetadataStore(engine, await engine.transact(begin))
    } catch (error) {
      await engine.close()
      throw error
    }
  }

  /**
   * Call after each opening, before a node is served: copies that are ahead of this database are
   * recognised from here on.
   */
  async beginTerm(): Promise<void> {
    const term = { id: randomUUID(), first: this.#seq + 1 }
    await this.performOwn('beginTerm', [term, randomSkips()])
    this.#terms.push(term)
  }

  /** Id of this store; a copy of the metadata of another store is useless. */
  get store(): string {
    return this.#store
  }

  /** Number of the last change. */
  get seq(): number {
    return this.#seq
  }

  /** False: nothing may be answered from memory, since another coordinator may lead. */
  leads(): boolean {
    return this.#engine.leads()
  }

  async perform<K extends OperationName>(
    asker: Asker,
    name: K,
    args: OperationArgs<K>,
    { check = noCheck, granted = [], overridden = [] }: PerformOptions = {},
  ): Promise<Performed> {
    return await this.#perform(asker, check, function* () {
      if (overridden.length > 0) yield* endExclusive(overridden)
      const value = yield* ruleOf(name, args)
      if (granted.length > 0) yield* makeExclusive(granted, asker.peer)
      return { value, effects: { ...effectsOf(name, args, value), exclusive: granted } }
    })
  }

  /** Runs operations from the outbox of a node, except those that are refused. */
  async performOutbox(
    asker: Asker,
    entries: readonly OutboxEntry[],
    { check = noCheck, has, state }: OutboxOptions,
  ): Promise<Performed> {
    const { run, id: last } = entries.at(-1)!
    const begin = function* (): Rule<RuleOutcome> {
      const fresh = yield* passEntries(asker.peer, entries)
      const effects = yield* outboxRule(asker.peer, fresh, { has, state })
      const refused = fresh.map(({ id }) => id).filter((id) => state.refused.has(id))
      const outbox = { run, last, count: fresh.length, refused }
      return { value: undefined, effects, outbox }
    }
    for (;;) {
      try {
        return await this.#perform(asker, check, begin)
      } catch (error) {
        if (!(error instanceof EntryRefused)) throw error
        state.refused.add(error.id)
      }
    }
  }

  async #perform(
    asker: Asker,
    check: () => void,
    begin: () => Rule<RuleOutcome>,
  ): Promise<Performed> {
    const done = await this.#engine.transact(() => this.#performing(asker, check, begin()))
    if (done.change && done.change.seq > this.#seq) this.#note(done.change.seq)
    return done
  }

  /** Runs an operation of the coordinator itself. */
  async performOwn<K extends OperationName>(
    name: K,
    args: OperationArgs<K>,
    options: PerformOptions = {},
  ): Promise<Performed> {
    this.#ownOperations += 1
    const asker = { peer: '', session: this.#self, operation: this.#ownOperations }
    return await this.perform(asker, name, args, options)
  }

  *#performing(asker: Asker, check: () => void, rule: Rule<RuleOutcome>): Rule<Performed> {
    const earlier = yield* this.#find(asker)
    if (earlier) return { ...earlier, isRepeated: true }
    check()
    const calls: Call[] = []
    const { value, effects, outbox } = yield* recorded(rule, calls)
    if (calls.length === 0) return { value, change: undefined }
    const { seq } = (yield* takeNumber())!
    const made: Change = {
      seq,
      origin: asker.peer,
      calls: calls.map((call) => [call.statement.name, ...call.args] as const),
      effects,
      outbox,
    }
    const entry = encodeEntry({ change: made, value })
    yield* insertLog(seq, asker.session, asker.operation, entry)
    if (seq % coordinatorLimits.changeLogTrim === 0)
      yield* trimLog(seq - coordinatorLimits.changeLogEntries)
    return { value, change: made }
  }

  /** Result of the operation if it was run before, by this process or a predecessor. */
  *#find({ session, operation }: Asker): Rule<LogEntry | undefined> {
    const last = this.#lastAsked.get(session) ?? (yield* selectLast(session))?.operation ?? 0
    this.#lastAsked.set(session, Math.max(last, operation))
    if (this.#lastAsked.size > 2 * tiersLimits.peers) this.#forgetOne()
    if (operation > last) return undefined
    const row = yield* selectDone(session, operation)
    return row && decodeEntry(row.change)
  }

  /** Drops one cached entry; it can be read from the log again. */
  #forgetOne(): void {
    for (const session of this.#lastAsked.keys()) {
      this.#lastAsked.delete(session)
      return
    }
  }

  #note(seq: number): void {
    this.#seq = seq
    this.#first = Math.min(this.#first, seq)
    if (seq % coordinatorLimits.changeLogTrim === 0) {
      this.#first = Math.max(this.#first, seq - coordinatorLimits.changeLogEntries + 1)
    }
  }

  /** Whether the log has every change after `seq`. */
  reaches(seq: number): boolean {
    return seq === this.#seq || (seq < this.#seq && seq >= this.#first - 1)
  }

  /**
   * Whether the changes of a copy up to `seq`, in its last term, are changes of this store. If not,
   * this database was restored from a backup and the copy is ahead of it.
   */
  hasHistory(term: string, seq: number): boolean {
    const at = this.#terms.findIndex(({ id }) => id === term)
    // The copy is of a release that knew no terms.
    if (at < 0 && term === '') return seq <= this.#seq
    return at >= 0 && seq < (this.#terms[at + 1]?.first ?? Infinity) && seq <= this.#seq
  }

  /** Changes after `seq`, in order, one page. */
  async changesAfter(seq: number): Promise<Change[]> {
    const rows = await this.#engine.read(() => selectLog(seq, coordinatorLimits.linkWindow))
    return rows.map((row) => decodeEntry(row.change).change)
  }

  /** Domains that are recorded as exclusive. */
  async exclusive(): Promise<ExclusiveDomain[]> {
    const found: ExclusiveDomain[] = []
    for (;;) {
      const after = found.at(-1)?.domain ?? 0
      const page = await this.#engine.read(() => listExclusive(after, metadataLimits.storePage))
      if (page.length === 0) return found
      found.push(...page)
    }
  }

  /** Inodes without a name, one page. */
  async orphansAfter(ino: number): Promise<number[]> {
    return await this.#engine.read(() => listOrphans(ino, volumeLimits.trashBatch))
  }

  /**
   * Records that a process of a node may have a valid lease; survives a restart once it resolves.
   */
  async addSession(token: string): Promise<void> {
    await this.#engine.transact(() => insertSession(token))
  }

  async removeSession(token: string): Promise<void> {
    this.#lastAsked.delete(token)
    await this.#engine.transact(() => deleteSession(token))
  }

  /** Resolves when all transactions requested before have ended. */
  async settled(): Promise<void> {
    await this.#engine.transact(nothing)
  }

  async read<T>(begin: () => Rule<T>): Promise<T> {
    return await this.#engine.read(begin)
  }

  async totals(): Promise<Totals> {
    return await this.#engine.totals()
  }

  /** Writes a copy to a file that does not exist yet. */
  async copyTo(path: string): Promise<void> {
    await this.#engine.copyTo(path)
  }

  /** Resolves when everything so far survives a power failure. */
  async sync(): Promise<void> {
    await this.#engine.sync()
  }

  /** Moves a write-ahead log into the database. */
  checkpoint(): void {
    this.#engine.checkpoint()
  }

  async close(): Promise<void> {
    await this.#engine.close()
  }
}

interface Found {
  state: CopyState
  first: number
  sessions: string[]
  terms: StoreTerm[]
}

/** Reads the state of the store; initializes an empty one as a new volume. */
function* begin(): Rule<Found> {
  let state = yield* copyState()
  if (state.store === '') {
    state = { store: randomUUID(), seq: 0 }
    yield* setCopyState(state)
    yield* createRoot(now())
  }
  const first = (yield* selectFirst())?.seq ?? Infinity
  const sessions = yield* selectSessions(1)
  const terms = yield* listTerms(1)
  return { state, first, sessions: sessions.map(({ token }) => token), terms }
}

function noCheck(): void {
  // No check is needed.
}

function* nothing(): Rule<void> {
  // An empty transaction: it runs after all those before it.
}

/** Runs a rule, and records the calls that changed something. */
function* recorded<T>(rule: Rule<T>, calls: Call[]): Rule<T> {
  let step = rule.next()
  while (step.done !== true) {
    if (step.value.statement.changes) calls.push(step.value)
    const rows: Row[] = yield step.value
    step = rule.next(rows)
  }
  return step.value
}
