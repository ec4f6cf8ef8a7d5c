/**
 * Changes as messages to nodes, encoded once for all receivers: nodes that join together lack the
 * same changes.
 */
import { coordinatorLimits } from './limits.ts'
import type { Change } from '../metadata/change.ts'
import { toWire } from './link/link-protocol.ts'
import type { MetadataStore } from './metadata-store.ts'

export interface EncodedChanges {
  /** Number of the last of these changes. */
  last: number
  message: Uint8Array
}

interface Page {
  after: number
  /** Number of the last change of the store when the page was read. */
  seq: number
  changes: Promise<EncodedChanges | undefined>
}

export function encodeChanges(changes: readonly Change[]): EncodedChanges | undefined {
  const last = changes.at(-1)
  if (last === undefined) return undefined
  return { last: last.seq, message: toWire({ kind: 'changes', changes: [...changes] }) }
}

/** Pages of the log, of which the last one is kept in memory if it is small. */
export class EncodedLog {
  readonly #store: MetadataStore
  #page: Page | undefined

  constructor(store: MetadataStore) {
    this.#store = store
  }

  /** The changes after `seq`, in order, one page; undefined: there are none. */
  after(after: number): Promise<EncodedChanges | undefined> {
    const { seq } = this.#store
    if (this.#page?.after === after && this.#page.seq === seq) return this.#page.changes
    const page = { after, seq, changes: this.#read(after) }
    this.#page = page
    const drop = (): void => {
      if (this.#page === page) this.#page = undefined
    }
    void page.changes.then((changes) => {
      if ((changes?.message.length ?? 0) > coordinatorLimits.linkPageBytes) drop()
    }, drop)
    return page.changes
  }

  async #read(after: number): Promise<EncodedChanges | undefined> {
    return encodeChanges(await this.#store.changesAfter(after))
  }
}
