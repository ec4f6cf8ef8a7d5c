/**
 * Objects that the cloud should have and that a reader found absent or damaged. An object leaves
 * the list when it was read successfully, or when no file refers to it any more. The list is in
 * memory: it begins anew with each process. Main thread.
 */
import { FsError } from '../../base/fs-error.ts'
import type { ChunkAddress } from '../../tiers/peers/chunk-address.ts'
import { cacheLimits } from '../limits.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'

/** EIO: the cloud has no object for a durable chunk, or one with other bytes. */
export class UnreadableObject extends FsError {
  readonly chunk: ChunkAddress

  constructor(chunk: ChunkAddress, message: string) {
    super('EIO', message)
    this.chunk = chunk
  }
}

export class UnreadableObjects {
  readonly #index: ChunkIndex
  readonly #found = new Map<number, { error: UnreadableObject; since: Date }>()

  constructor(index: ChunkIndex) {
    this.#index = index
  }

  add(error: UnreadableObject): void {
    const { id } = error.chunk
    if (this.#found.has(id) || this.#found.size >= cacheLimits.unreadableObjects) return
    this.#found.set(id, { error, since: new Date() })
  }

  delete(id: number): void {
    this.#found.delete(id)
  }

  /** Their number, and the first of them; undefined: none. */
  summary(): { count: number; since: Date; reason: string } | undefined {
    for (const [id, { error }] of this.#found) {
      const { ino, index } = error.chunk
      if (this.#index.find(ino, index)?.id !== id) this.#found.delete(id)
    }
    const [first] = this.#found.values()
    if (first === undefined) return undefined
    const { error, since } = first
    return { count: this.#found.size, since, reason: error.message.replace(/^EIO: /, '') }
  }
}
