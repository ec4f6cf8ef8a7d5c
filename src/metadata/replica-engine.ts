/**
 * The metadata engine of a node whose volume is kept by a coordinator. What is read is a copy on
 * this node's disk, kept current by the coordinator's feed of changes; so a read takes no round
 * trip. An operation that changes something throws `Blocked`: the main thread has the coordinator
 * run it, applies what it changed to the copy, and runs the operation again, which then takes the
 * outcome.
 *
 * What is read may be believed only while the coordinator waits for this node with every change:
 * until the time that `trustedUntil` tells, on the clock that all threads share.
 */
import { Blocked, takeOutcome } from '../base/blocked.ts'
import { monotonicMs } from '../base/clock.ts'
import type { CurrentRequest, RequestIdentity } from '../base/current-request.ts'
import { isUnrepeatable } from './answered-rules.ts'
import type { MetadataEngine } from './metadata-engine.ts'
import type { OperationArgs, OperationName, OperationResult } from './operations.ts'
import type { SqliteEngine } from './sqlite/sqlite-engine.ts'
import type { Rule } from './statement.ts'

export interface ReplicaEngineOptions {
  /** Only the main thread can ask the coordinator. */
  isMain: boolean
  /** Milliseconds of the monotonic clock. */
  trustedUntil: () => number
  /** Of a mount that outlives this process; undefined: nothing is asked again. */
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
    if (monotonicMs() > this.#options.trustedUntil()) throw new Blocked({ kind: 'trust' })
  }

  sync(): void {
    this.#ask('sync', [])
  }

  close(): void {
    this.#copy.close()
  }

  #ask(name: string, args: readonly unknown[]): unknown {
    if (!this.#options.isMain) throw new Blocked({ kind: 'main' })
    const outcome = takeOutcome(outcomeKey(name, args))
    if (outcome !== undefined) return outcome.value
    throw new Blocked({ kind: 'operation', name, args, once: this.#identity(name) })
  }

  /** By which it is known that an operation was run for an earlier process. */
  #identity(name: string): RequestIdentity | undefined {
    const { mountId, request } = this.#options
    if (mountId === undefined || request.unique === 0) return undefined
    return isUnrepeatable(name) ? { mount: mountId, request: request.unique } : undefined
  }
}

/**
 * Under what an operation's outcome is found when what asked for it runs again. Of two numbers that
 * were reserved for it, it may need only the second by then: the first came from what it reserved.
 */
export function outcomeKey(name: string, args: readonly unknown[]): string {
  return name === 'reserveNumbers' ? `${name} ${String(args[0])}` : name
}
