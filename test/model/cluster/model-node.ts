/**
 * A node of a model: the real link, replica engine and domains over a database file, without cache
 * and kernel. It can be killed and started again.
 */
import { monotonicMs } from '../../../src/base/clock.ts'
import { CurrentRequest } from '../../../src/base/current-request.ts'
import { loggerOf } from '../../../src/base/log/logger.ts'
import { SharedMutex } from '../../../src/base/async/shared-mutex.ts'
import type { SigningKey } from '../../../src/base/signing-key.ts'
import { NotStarted, ResultOf, Suspended, type WaitResult } from '../../../src/base/suspended.ts'
import { NodeLink } from '../../../src/coordinator/link/node-link.ts'
import { applyChanges, copyState, type Change } from '../../../src/metadata/change.ts'
import { lastEntry, loseApplied, OUTBOX_SCHEMA } from '../../../src/metadata/outbox-rules.ts'
import {
  OPERATION_RESULT,
  ReplicaEngine,
  operationSubject,
} from '../../../src/metadata/replica-engine.ts'
import { REPLICA_SCHEMA, SCHEMA } from '../../../src/metadata/schema.ts'
import { SqliteEngine } from '../../../src/metadata/sqlite/sqlite-engine.ts'
import type { OperationName } from '../../../src/metadata/operations.ts'
import type { Rule } from '../../../src/metadata/statement.ts'
import { lastTerm } from '../../../src/metadata/term-rules.ts'
import { ClusterClock } from '../../../src/tiers/peers/cluster-clock.ts'
import { NodeTokens } from '../../../src/tiers/peers/node-token.ts'
import { DomainMarks } from '../../../src/volume/cluster/domain-marks.ts'
import { ReplicaDomains } from '../../../src/volume/cluster/replica-domains.ts'
import { NumberSource } from '../../../src/volume/number-source.ts'
import type { ModelCoordinator } from './model-coordinator.ts'
import type { ModelSocket, Network } from './network.ts'
import { stateOf, type Truth } from './truth.ts'

const RELIED = new ResultOf('relied')
const MOST_ENTRIES = 50

type Condition =
  | { kind: 'trust' }
  | { kind: 'want'; domain: number }
  | { kind: 'operation'; name: OperationName; args: readonly unknown[] }

export interface ModelNodeParts {
  id: string
  key: SigningKey
  path: string
  network: Network
  truth: Truth
  coordinator: () => ModelCoordinator | undefined
}

/** Records what runs on the node alone, in the turn in which it runs. */
class ObservedEngine extends SqliteEngine {
  ranAlone: () => void = () => undefined

  override runOnce<T>(name: OperationName, rule: Rule<T>): T {
    const value = super.runOnce(name, rule)
    this.ranAlone()
    return value
  }
}

export class ModelNode {
  readonly id: string
  readonly #engine: ObservedEngine
  readonly #marks = new DomainMarks()
  readonly #truth: Truth
  readonly #request = new CurrentRequest()
  readonly #replica: ReplicaEngine
  readonly #link: NodeLink
  readonly domains: ReplicaDomains
  readonly numbers: NumberSource
  /** Directories that programs have open, and how often. */
  readonly #open = new Map<number, number>()
  #socket: ModelSocket | undefined
  #validUntilMs = 0
  isCut = false
  isDead = false
  refused = 0
  /** Operations that ran on this node alone. */
  alone = 0

  constructor(parts: ModelNodeParts) {
    this.id = parts.id
    this.#truth = parts.truth
    const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
    this.#engine = new ObservedEngine(parts.path, mutex)
    for (const sql of [...SCHEMA, REPLICA_SCHEMA, OUTBOX_SCHEMA]) this.#engine.execute(sql)
    this.#link = this.#newLink(parts)
    this.#replica = new ReplicaEngine(this.#engine, {
      isMain: true,
      validUntil: () => this.#validUntilMs,
      mountId: undefined,
      request: this.#request,
      own: {
        node: parts.id,
        run: `${parts.id}-${parts.network.random.below(2 ** 31)}`,
        mostEntries: MOST_ENTRIES,
        isExclusive: (domain) => this.#marks.isExclusive(domain),
        addExclusive: (domain) => this.#marks.addExclusive(domain),
      },
    })
    this.numbers = new NumberSource(this.#replica)
    this.domains = new ReplicaDomains({
      engine: this.#engine,
      marks: this.#marks,
      self: parts.id,
      link: this.#link,
      isUsed: (domain) => this.#open.has(domain),
      onRefused: (ids) => (this.refused += ids.length),
    })
    this.#engine.ranAlone = () => {
      this.alone += 1
      parts.network.note(`${parts.id} ran an operation alone`)
      parts.truth.executed(this.#marks.listExclusive(), (rule) => this.#engine.read(rule))
    }
  }

  #newLink({ id, key, network, coordinator }: ModelNodeParts): NodeLink {
    const clock = new ClusterClock()
    const connect = (): ModelSocket => {
      const target = this.isDead ? undefined : coordinator()
      const socket = network.connect(id, target && ((other) => target.attach(other)))
      const isHeld = (): boolean => this.isCut
      Object.assign(socket, { isHeld })
      Object.assign(socket.other, { isHeld })
      this.#socket = socket
      return socket
    }
    return new NodeLink({
      addresses: ['model'],
      key,
      tokens: new NodeTokens(id, key, clock),
      clock,
      peer: { id, url: '', capacityBytes: 1, version: '1' },
      snapshotFile: '',
      restart: () => undefined,
      logger: loggerOf('CLIENT'),
      dial: () =>
        connect() as unknown as ReturnType<
          NonNullable<ConstructorParameters<typeof NodeLink>[0]['dial']>
        >,
    })
  }

  /** Resolves when its replica is current for the first time. */
  async start(): Promise<void> {
    await this.#link.open({
      domains: this.domains,
      isInUse: true,
      state: () => ({
        ...this.#engine.read(copyState()),
        term: this.#engine.read(lastTerm())?.id ?? '',
      }),
      takeOver: async () => {
        this.#engine.transact(loseApplied(this.id))
        throw new Error('the model has no whole copies')
      },
      apply: async (store, changes) => this.#apply(store, changes),
      heldOf: () => [],
      trust: (untilMs) => (this.#validUntilMs = untilMs),
      leased: () => undefined,
      recalled: () => undefined,
      leases: () => [],
      writing: () => [],
      held: () => [],
    })
  }

  #apply(store: string, changes: readonly Change[]): void {
    for (const change of changes) this.domains.arriving(change)
    const isApplied = (change: Change): Rule<boolean> => this.domains.isApplied(change)
    this.#engine.transact(applyChanges(store, changes, isApplied))
    for (const change of changes) this.domains.applied(change)
  }

  get seq(): number {
    return this.#engine.read(copyState()).seq
  }

  get isValid(): boolean {
    return !this.isDead && monotonicMs() <= this.#validUntilMs
  }

  get unsent(): number {
    return this.#engine.read(lastEntry())
  }

  /** Of the directories of the model: faster than a search for all. */
  exclusive(): number[] {
    return this.#truth.domains.filter((domain) => this.#marks.isExclusive(domain))
  }

  /** Whether a read here would use the replica without asking. */
  relies(domain: number): boolean {
    return this.isValid && !this.domains.hasDropped(domain) && this.#has(domain)
  }

  #has(domain: number): boolean {
    return this.#engine.read(stateOf(domain)) !== ''
  }

  dump<T>(rule: Rule<T>): T {
    return this.#engine.read(rule)
  }

  open(domain: number): void {
    this.#open.set(domain, (this.#open.get(domain) ?? 0) + 1)
  }

  close(domain: number): void {
    const opens = (this.#open.get(domain) ?? 1) - 1
    if (opens > 0) this.#open.set(domain, opens)
    else this.#open.delete(domain)
  }

  cutLink(): void {
    this.#socket?.cut()
    this.#socket?.other.cut()
  }

  /** Reads a directory as a program does. */
  async read(domain: number): Promise<string> {
    return await this.#run(() => {
      this.#replica.requireCurrent()
      const mayRely = !this.#marks.mayBeDropped(domain)
      if (!mayRely && !this.#request.take(RELIED, domain)) {
        throw new NotStarted({ kind: 'want', domain } satisfies Condition)
      }
      return this.#engine.read(stateOf(domain))
    })
  }

  async write(operation: (engine: ReplicaEngine) => unknown): Promise<void> {
    await this.#run(() => {
      this.#replica.requireCurrent()
      operation(this.#replica)
    })
  }

  /** Runs an operation like a request of a mount, until it is not suspended any more. */
  async #run<T>(operation: () => T): Promise<T> {
    const results: WaitResult[] = []
    for (;;) {
      try {
        return this.#request.run(results, operation)
      } catch (error) {
        if (!(error instanceof Suspended)) throw error
        const result = await this.#resolve(error.condition as Condition)
        if (result) results.push(result)
      }
    }
  }

  async #resolve(condition: Condition): Promise<WaitResult | undefined> {
    switch (condition.kind) {
      case 'trust':
        await this.#link.trusted()
        return undefined
      case 'want':
        await this.domains.want(condition.domain)
        return RELIED.of(condition.domain)
      case 'operation': {
        const { name, args } = condition
        this.domains.send()
        try {
          return OPERATION_RESULT.of(
            operationSubject(name, args),
            await this.#link.perform(name, args),
          )
        } catch (error) {
          return OPERATION_RESULT.failed(operationSubject(name, args), error)
        }
      }
    }
  }

  /** The process dies; its database stays. */
  kill(): void {
    this.isDead = true
    this.cutLink()
    void this.#link.close()
    this.domains.close()
    this.#engine.close()
  }
}
