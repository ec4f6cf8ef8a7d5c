/**
 * Metadata engine of a node in a cluster. Reads use a replica on the disk of this node, kept
 * current by the coordinator's feed of changes, so they need no round trip. An operation that
 * changes something throws `NotStarted`: the main thread sends it to the coordinator, applies its
 * change to the replica, and runs the operation again, which then takes the result.
 *
 * Invariant: the replica is read only while its lease is valid, that is, while the coordinator
 * waits for this node before it acknowledges a change: until `validUntil`, on the clock shared by
 * all threads.
 */
import { NotStarted, ResultOf } from '../base/suspended.ts'
import { monotonicMs } from '../base/clock.ts'
import type { CurrentRequest, RequestIdentity } from '../base/current-request.ts'
import { isUnrepeatable } from './duplicate-request-rules.ts'
import type { MetadataEngine } from './metadata-engine.ts'
import { footprintOf, type Footprint } from './footprint.ts'
import type { OperationArgs, OperationName, OperationResult } from './operations.ts'
import { outboxLength, putEntry, runAlone } from './outbox-rules.ts'
import type { SqliteEngine } from './sqlite/sqlite-engine.ts'
import type { Rule } from './statement.ts'

/** The domains that are exclusive to this node; to be read within a transaction. */
export interface OwnDomains {
  /** Id of this node. */
  readonly node: string
  /** Identifies this process in the outbox. */
  readonly run: string
  isExclusive(domain: number): boolean
  /** False if there is no room. */
  addExclusive(domain: number): boolean
  /** Operations that the outbox may have. */
  readonly mostEntries: number
}

export interface ReplicaEngineOptions {
  /** True on the main thread, which alone can send operations to the coordinator. */
  isMain: boolean
  /** End of the lease in milliseconds of the monotonic clock. */
  validUntil: () => number
  /** Id of a mount that outlives this process; undefined: no request is resent. */
  mountId: string | undefined
  request: CurrentRequest
  /** Undefined: none ever is. */
  own?: OwnDomains | undefined
}

/** An operation cannot run on this node alone. */
class NotAlone extends Error {}

export class ReplicaEngine implements MetadataEngine {
  readonly isReplica = true
  readonly #copy: SqliteEngine
  readonly #options: ReplicaEngineOptions

  constructor(copy: SqliteEngine, options: ReplicaEngineOptions) {
    this.#copy = copy
    this.#options = options
  }

  read<T>(rule: Rule<T>): T {
    return this.#copy.read(rule)
  }

  write<K extends OperationName>(name: K, ...args: OperationArgs<K>): OperationResult<K> {
    const { own } = this.#options
    const done = own && this.#mayRunAlone(name, args, own) && this.#runAlone(name, args, own)
    return done ? done.value : (this.#ask(name, args) as OperationResult<K>)
  }

  /** Asked before the transaction, which asks again: most operations need none then. */
  #mayRunAlone<K extends OperationName>(name: K, args: OperationArgs<K>, own: OwnDomains): boolean {
    return isOwn(this.#copy.read(footprintOf(name, args)), own)
  }

  #runAlone<K extends OperationName>(
    name: K,
    args: OperationArgs<K>,
    own: OwnDomains,
  ): { value: OperationResult<K> } | undefined {
    this.requireCurrent()
    try {
      return { value: this.#copy.runOnce(name, aloneRule(name, args, own)) }
    } catch (error) {
      if (error instanceof NotAlone) return undefined
      throw error
    }
  }

  hasAnswered(): boolean {
    return false
  }

  requireCurrent(): void {
    if (monotonicMs() > this.#options.validUntil()) throw new NotStarted({ kind: 'trust' })
  }

  sync(): void {
    this.#ask('sync', [])
  }

  close(): void {
    this.#copy.close()
  }

  #ask(name: string, args: readonly unknown[]): unknown {
    if (!this.#options.isMain) throw new NotStarted({ kind: 'main' })
    const result = this.#options.request.take(OPERATION_RESULT, operationSubject(name, args))
    if (result !== undefined) return result.value
    throw new NotStarted({ kind: 'operation', name, args, once: this.#identity(name) })
  }

  /** Identifies a request, so that the coordinator detects that an earlier process executed it. */
  #identity(name: string): RequestIdentity | undefined {
    const { mountId, request } = this.#options
    if (mountId === undefined || request.unique === 0) return undefined
    return isUnrepeatable(name) ? { mount: mountId, request: request.unique } : undefined
  }
}

/** Result of an operation on the coordinator; the subject is `operationSubject`. */
export const OPERATION_RESULT = new ResultOf<unknown>('operation')

/**
 * Subject under which an operation finds its result when it runs again. `reserveNumbers` includes
 * the kind: of two numbers, the second run may need only the second, because the first came from a
 * reserved block.
 */
export function operationSubject(name: string, args: readonly unknown[]): string {
  return name === 'reserveNumbers' ? `${name} ${String(args[0])}` : name
}

/** Whether all domains of an operation are exclusive to this node. */
function isOwn({ domains, reach }: Footprint, own: OwnDomains): boolean {
  return reach !== 'volume' && domains.length > 0 && domains.every((it) => own.isExclusive(it))
}

/** Runs an operation and puts it into the outbox. Throws NotAlone if it must not run here. */
function* aloneRule<K extends OperationName>(
  name: K,
  args: OperationArgs<K>,
  own: OwnDomains,
): Rule<OperationResult<K>> {
  const footprint = yield* footprintOf(name, args)
  const isFull = (yield* outboxLength()) >= own.mostEntries
  if (isFull || !isOwn(footprint, own)) throw new NotAlone()
  // Without room, the new directory is one that every node may rely on.
  const kept = footprint.created.filter((domain) => own.addExclusive(domain))
  const { value } = yield* runAlone(name, args, { created: kept, node: own.node })
  yield* putEntry(own.run, { name, args, created: kept })
  return value
}
