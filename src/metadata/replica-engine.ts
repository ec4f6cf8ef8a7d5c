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
import type { OperationArgs, OperationName, OperationResult } from './operations.ts'
import type { SqliteEngine } from './sqlite/sqlite-engine.ts'
import type { Rule } from './statement.ts'

export interface ReplicaEngineOptions {
  /** True on the main thread, which alone can send operations to the coordinator. */
  isMain: boolean
  /** End of the lease in milliseconds of the monotonic clock. */
  validUntil: () => number
  /** Id of a mount that outlives this process; undefined: no request is resent. */
  mountId: string | undefined
  request: CurrentRequest
}

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
    return this.#ask(name, args) as OperationResult<K>
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
