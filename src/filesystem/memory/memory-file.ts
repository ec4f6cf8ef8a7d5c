/**
 * An open file in memory. It refers to its node, so it stays usable after its name is removed, and
 * to its pages, so that a reader of a replaced file still reads the version that it opened.
 */
import { filesystemLimits } from '../limits.ts'
import { failure } from '../failure.ts'
import type { AttributeChanges } from '../file-system.ts'
import type { OpenFile } from '../open-file.ts'
import { Stats } from '../stats.ts'
import type { MemoryNode } from './memory-node.ts'

export class MemoryFile implements OpenFile {
  readonly #node: MemoryNode
  /** Writes go to the version that was opened: `replace` gives the node other pages. */
  readonly #isWritable: boolean
  #pages: MemoryNode['pages']
  readonly #etag: string

  constructor(node: MemoryNode, isWritable: boolean) {
    this.#node = node
    this.#pages = node.pages
    this.#isWritable = isWritable
    this.#etag = node.stats.etag
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    if (this.#node.kind === 'directory') throw failure('EISDIR', 'read')
    return this.#pages.read(target, position)
  }

  async write(source: Uint8Array, position: number | 'end'): Promise<void> {
    const at = position === 'end' ? this.#pages.size : position
    if (at + source.length > filesystemLimits.memoryFileBytes) throw failure('EFBIG', 'write')
    this.#pages.write(source, at)
    this.#touch()
  }

  async stat(): Promise<Stats> {
    if (this.#isCurrent) return this.#node.stats
    const { fields } = this.#node.stats
    return new Stats({ ...fields, size: this.#pages.size, nlink: 0, etag: this.#etag })
  }

  async truncate(sizeBytes: number): Promise<void> {
    if (!this.#isWritable || sizeBytes < 0) throw failure('EINVAL', 'ftruncate')
    if (sizeBytes > filesystemLimits.fileBytes) throw failure('EFBIG', 'ftruncate')
    this.#pages.truncate(sizeBytes)
    this.#touch()
  }

  async change(changes: AttributeChanges): Promise<void> {
    this.#node.change(changes)
  }

  async sync(): Promise<void> {
    // There is nothing to sync to.
  }

  async close(): Promise<void> {
    this.#pages = this.#node.pages
  }

  get #isCurrent(): boolean {
    return this.#pages === this.#node.pages
  }

  #touch(): void {
    if (this.#isCurrent) this.#node.touch()
  }
}
