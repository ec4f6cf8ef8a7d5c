/**
 * The coordinator of a model: the real one on a database file, so that it can be killed and started
 * again.
 */
import type { WebSocket } from 'ws'
import { loggerOf } from '../../../src/base/log/logger.ts'
import { Coordinator } from '../../../src/coordinator/coordinator.ts'
import { MetadataStore } from '../../../src/coordinator/metadata-store.ts'
import { NodeRegister } from '../../../src/coordinator/peers/node-register.ts'
import { NumberOwners } from '../../../src/coordinator/peers/number-owners.ts'
import { PeerRegistry } from '../../../src/coordinator/peers/peer-registry.ts'
import type { PeerStore } from '../../../src/coordinator/peers/peer-store.ts'
import { footprintOf } from '../../../src/metadata/footprint.ts'
import type { OperationArgs, OperationName } from '../../../src/metadata/operations.ts'
import { SharedMutex } from '../../../src/base/async/shared-mutex.ts'
import { SqliteEngine } from '../../../src/metadata/sqlite/sqlite-engine.ts'
import { SqliteStoreEngine } from '../../../src/metadata/sqlite/sqlite-store-engine.ts'
import type { Rule } from '../../../src/metadata/statement.ts'
import type { ReadsRules, Truth } from './truth.ts'

const NO_PEERS: PeerStore = {
  load: () => [],
  save: () => undefined,
  remove: () => undefined,
  loadAway: () => [],
  saveAway: () => undefined,
}

interface Life {
  isOver: boolean
}

export class ModelCoordinator {
  readonly store: MetadataStore
  readonly #reader: SqliteEngine
  readonly #coordinator: Coordinator
  readonly #life: Life

  private constructor(
    store: MetadataStore,
    reader: SqliteEngine,
    coordinator: Coordinator,
    life: Life,
  ) {
    this.#life = life
    this.store = store
    this.#reader = reader
    this.#coordinator = coordinator
  }

  static async start(path: string, truth: Truth): Promise<ModelCoordinator> {
    const store = await MetadataStore.open(SqliteStoreEngine.open(path))
    const mutex = new SharedMutex(new Int32Array(new SharedArrayBuffer(4)))
    const reader = new SqliteEngine(path, mutex)
    await store.beginTerm()
    const nodes = await NodeRegister.open(store)
    const numbers = await NumberOwners.open(store, (one, other) => one === other)
    const registry = new PeerRegistry({ store: NO_PEERS, nowMs: () => 0 })
    const logger = loggerOf('COORDINATOR')
    const reserved = await store.exclusive()
    const life = { isOver: false }
    const observed = observe(store, (rule) => reader.read(rule), truth, life)
    const parts = { store: observed, registry, nodes, numbers, logger, reserved }
    return new ModelCoordinator(store, reader, new Coordinator(parts), life)
  }

  attach(socket: WebSocket): void {
    this.#coordinator.attach(socket, true)
  }

  /** The process dies: what it had begun does not go on. */
  async kill(): Promise<void> {
    this.#life.isOver = true
    this.#coordinator.close()
    this.#reader.close()
    await this.store.close()
  }

  read<T>(rule: Rule<T>): T {
    return this.#reader.read(rule)
  }
}

/** Records the state of the domains of each operation in the turn in which it runs. */
function observe(store: MetadataStore, read: ReadsRules, truth: Truth, life: Life): MetadataStore {
  const perform = (...all: Parameters<MetadataStore['perform']>): unknown => {
    const [, name, args] = all
    const { domains, created } = read(footprintOf(name, args as OperationArgs<OperationName>))
    const done = store.perform(...all)
    truth.executed([...domains, ...created], read)
    return done
  }
  return new Proxy(store, {
    get: (target, key) => {
      // A dead process answers nothing.
      if (life.isOver && key !== 'seq' && key !== 'leads') return () => new Promise(() => undefined)
      if (key === 'leads') return () => !life.isOver
      if (key === 'perform') return perform
      const value = Reflect.get(target, key, target) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
