/**
 * A coordinator that may lead. For each of its terms it opens the metadata store and serves nodes.
 * When another coordinator takes over, it closes its links, so that the nodes connect to the new
 * leader, and stands by again. If the metadata store is not shared with other coordinators, it
 * leads from its start to its end.
 */
import { FsError, describe } from '../base/fs-error.ts'
import type { Logger } from '../base/log/logger.ts'
import { pause } from '../base/async/retry.ts'
import { coordinatorLimits } from './limits.ts'
import type { MetadataSource, LeaderTerm } from '../metadata/store-engine.ts'
import { Coordinator } from './coordinator.ts'
import { MetadataStore } from './metadata-store.ts'
import { NodeRegister } from './peers/node-register.ts'
import { NumberOwners } from './peers/number-owners.ts'
import type { PeerRegistry } from './peers/peer-registry.ts'

export interface CandidateOptions {
  /** Owned by the candidate, which closes it. */
  source: MetadataSource
  registry: PeerRegistry
  logger: Logger
}

interface ActiveTerm {
  term: LeaderTerm
  store: MetadataStore
  nodes: NodeRegister
  coordinator: Coordinator
}

export class Candidate {
  readonly #options: CandidateOptions
  readonly #stop = new AbortController()
  #active: ActiveTerm | undefined
  /** Start of the current leadership, or of the current standby. */
  since = new Date()
  #running: Promise<void> = Promise.resolve()

  constructor(options: CandidateOptions) {
    this.#options = options
  }

  /** Resolves when this coordinator leads, or at once if others may lead. */
  async start(): Promise<void> {
    const { source } = this.#options
    if (!source.isShared) this.#active = await this.#ascend()
    this.#running = this.#run()
  }

  /** Whether other coordinators may lead in its place. */
  get isOneOfSeveral(): boolean {
    return this.#options.source.isShared
  }

  get standsBy(): boolean {
    return this.#active === undefined
  }

  /** URL of the current leader; empty if none is known. */
  get leaderUrl(): string {
    return this.#options.source.leaderUrl
  }

  /** Whether it leads, and it is certain that no other coordinator does. */
  get isReady(): boolean {
    return this.#active?.store.leads() ?? false
  }

  /** EAGAIN if this coordinator does not lead. */
  get store(): MetadataStore {
    return this.#require().store
  }

  /** The nodes that have joined; undefined if this coordinator does not lead. */
  get nodes(): NodeRegister | undefined {
    return this.#active?.nodes
  }

  /** EAGAIN if this coordinator does not lead. */
  get coordinator(): Coordinator {
    return this.#require().coordinator
  }

  checkpoint(): void {
    this.#active?.store.checkpoint()
  }

  /** Closes the links of all nodes; `close` does the rest. */
  cutLinks(): void {
    this.#active?.coordinator.close()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#descend()
    await this.#options.source.close()
  }

  #require(): ActiveTerm {
    if (this.#active) return this.#active
    const { leaderUrl } = this
    const where = leaderUrl === '' ? 'none leads at present' : `${leaderUrl} leads`
    throw new FsError('EAGAIN', `this coordinator stands by: ${where}`)
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    while (!this.#isStopping()) {
      try {
        this.#active ??= await this.#ascend()
        await Promise.race([this.#active.term.over, stopped])
        if (this.#isStopping()) return
        this.#options.logger.warn('another coordinator leads: standing by')
        await this.#descend()
      } catch (error) {
        if (!this.#isStopping()) await this.#wait(error)
      }
    }
  }

  #isStopping(): boolean {
    return this.#stop.signal.aborted
  }

  async #wait(error: unknown): Promise<void> {
    this.#options.logger.warn(`the names cannot be opened: ${describe(error)}`)
    await pause(coordinatorLimits.linkRetryMaxMs, this.#stop.signal).catch(() => undefined)
  }

  async #ascend(): Promise<ActiveTerm> {
    const { source, registry, logger } = this.#options
    const term = await source.next(this.#stop.signal)
    try {
      const store = await MetadataStore.open(term.engine)
      await store.beginTerm()
      this.since = new Date()
      if (source.isShared) logger.info('this coordinator leads')
      const nodes = await NodeRegister.open(store)
      const numbers = await NumberOwners.open(store, (one, other) => nodes.isSame(one, other))
      const reserved = await store.exclusive()
      const how = { store, registry, nodes, numbers, logger, reserved }
      const coordinator = new Coordinator(how)
      return { term, store, nodes, coordinator }
    } catch (error) {
      await term.resign()
      throw error
    }
  }

  async #descend(): Promise<void> {
    const active = this.#active
    this.#active = undefined
    this.since = new Date()
    if (active === undefined) return
    active.coordinator.close()
    await active.store.close()
    try {
      await active.term.resign()
    } catch (error) {
      this.#options.logger.warn(`the others find out by themselves: ${describe(error)}`)
    }
  }
}
