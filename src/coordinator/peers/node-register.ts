/**
 * The identities of nodes on the leading coordinator: all in memory. Each change is made in the
 * metadata (metadata/node-rules.ts), then in memory, and is sent to every node before the call
 * resolves.
 *
 * Invariants: a registered id is never given to another key, whoever asks. Nodes that arrive during
 * a registration are registered together by the next one, so the work grows with the number of
 * nodes, not with its square.
 */
import { FsError } from '../../base/fs-error.ts'
import { coordinatorLimits } from '../limits.ts'
import { metadataLimits } from '../../metadata/limits.ts'
import type { Change } from '../../metadata/change.ts'
import { listNodes, type NodeIdentity } from '../../metadata/node-rules.ts'
import type { MetadataStore } from '../metadata-store.ts'

export class NodeRegister {
  readonly #store: MetadataStore
  readonly #nodes = new Map<string, NodeIdentity>()
  /** Keys of the nodes in the next registration, by id. */
  #coming = new Map<string, string>()
  #next: Promise<void> | undefined
  #last: Promise<void> = Promise.resolve()
  /** Sends a change to all nodes; resolves when they have applied it. */
  spread: (change: Change) => Promise<void> = () => Promise.resolve()

  private constructor(store: MetadataStore) {
    this.#store = store
  }

  static async open(store: MetadataStore): Promise<NodeRegister> {
    const register = new NodeRegister(store)
    for (let after = ''; ;) {
      const page = await store.read(() => listNodes(after, metadataLimits.storePage))
      for (const node of page) register.#nodes.set(node.id, node)
      const last = page.at(-1)
      if (last === undefined) return register
      after = last.id
    }
  }

  get(id: string): NodeIdentity | undefined {
    return this.#nodes.get(id)
  }

  /** Ordered by id. */
  list(): NodeIdentity[] {
    return [...this.#nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Public key of a node; undefined if there is none or it was revoked. */
  keyOf(id: string): string | undefined {
    const node = this.#nodes.get(id)
    return node?.revoked === '' ? node.key : undefined
  }

  /** Whether both ids belong to one node that changed its id: they have the same key. */
  isSame(one: string, other: string): boolean {
    return one === other || this.#nodes.get(one)?.key === (this.#nodes.get(other)?.key ?? '')
  }

  /** Resolves when the id is registered: with this key, unless another key was registered first. */
  join(id: string, key: string): Promise<void> {
    if (this.#nodes.size + this.#coming.size >= coordinatorLimits.nodeIdentities) {
      throw new FsError(
        'EAGAIN',
        `${coordinatorLimits.nodeIdentities} nodes are registered: remove some`,
      )
    }
    if (!this.#coming.has(id)) this.#coming.set(id, key)
    this.#next ??= this.#last.then(() => this.#registerAll())
    return this.#next
  }

  async #registerAll(): Promise<void> {
    const nodes = [...this.#coming].map(([id, key]) => ({ id, key }))
    this.#coming = new Map()
    this.#next = undefined
    const joined = new Date().toISOString()
    const work = this.#change('registerNodes', [nodes, joined], () => {
      for (const { id, key } of nodes) {
        if (!this.#nodes.has(id)) this.#nodes.set(id, { id, key, joined, revoked: '' })
      }
    })
    this.#last = work.catch(() => undefined)
    await work
  }

  /**
   * ENOENT: there is no such node. `then` is called when the change is made, before all nodes have
   * it.
   */
  async revoke(id: string, then: () => void): Promise<void> {
    const node = this.#require(id)
    if (node.revoked !== '') return
    const revoked = new Date().toISOString()
    await this.#change('revokeNode', [id, revoked], () => {
      this.#nodes.set(id, { ...node, revoked })
      then()
    })
  }

  /** From here on any node that may join can have the id. ENOENT: there is no such node. */
  async remove(id: string): Promise<void> {
    this.#require(id)
    await this.#change('removeNode', [id], () => this.#nodes.delete(id))
  }

  #require(id: string): NodeIdentity {
    const node = this.#nodes.get(id)
    if (node) return node
    throw new FsError('ENOENT', `no node ${id} has joined this cluster`)
  }

  async #change(
    ...[name, args, note]:
      | ['registerNodes', [{ id: string; key: string }[], string], () => void]
      | ['revokeNode', [string, string], () => void]
      | ['removeNode', [string], () => void]
  ): Promise<void> {
    const { change } = await this.#store.performOwn(name, args)
    note()
    if (change) await this.spread(change)
  }
}
