/**
 * Content of a file in memory. Pages exist only where something was written, so a sparse file, or
 * one that is filled block by block, uses only the memory of its data.
 */
import { filesystemLimits } from '../limits.ts'

const PAGE = filesystemLimits.memoryPageBytes

export class MemoryPages {
  readonly #pages = new Map<number, Uint8Array>()
  #size = 0

  get size(): number {
    return this.#size
  }

  read(target: Uint8Array, position: number): number {
    const end = Math.min(position + target.length, this.#size)
    for (let at = position; at < end;) {
      const offset = at % PAGE
      const count = Math.min(PAGE - offset, end - at)
      const page = this.#pages.get(Math.floor(at / PAGE))
      const part = target.subarray(at - position, at - position + count)
      if (page === undefined) part.fill(0)
      else part.set(page.subarray(offset, offset + count))
      at += count
    }
    return Math.max(0, end - position)
  }

  write(source: Uint8Array, position: number): void {
    const end = position + source.length
    for (let at = position; at < end;) {
      const index = Math.floor(at / PAGE)
      const offset = at % PAGE
      const count = Math.min(PAGE - offset, end - at)
      this.#page(index, offset + count).set(
        source.subarray(at - position, at - position + count),
        offset,
      )
      at += count
    }
    if (source.length > 0) this.#size = Math.max(this.#size, end)
  }

  truncate(size: number): void {
    if (size < this.#size) {
      const last = Math.floor(size / PAGE)
      for (const index of this.#pages.keys()) {
        if (index > last || index * PAGE >= size) this.#pages.delete(index)
      }
      // Bytes after the end must read as zeros when the file grows again.
      this.#pages.get(last)?.fill(0, size % PAGE)
    }
    this.#size = size
  }

  /** A small file does not need a whole page: the first page grows as it fills. */
  #page(index: number, needed: number): Uint8Array {
    const page = this.#pages.get(index)
    if (page !== undefined && page.length >= needed) return page
    const length = index > 0 ? PAGE : Math.min(PAGE, Math.max(needed, (page?.length ?? 0) * 2))
    const grown = new Uint8Array(length)
    if (page !== undefined) grown.set(page)
    this.#pages.set(index, grown)
    return grown
  }
}
