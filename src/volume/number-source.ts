/**
 * Numbers that are never handed out twice: inodes, chunk ids, positions of directory entries. Each
 * thread reserves a block at a time; the rest of a block is never used after the thread ends.
 */
import { volumeLimits } from './limits.ts'
import type { MetadataEngine } from '../metadata/metadata-engine.ts'
import type { CounterName } from '../metadata/volume-rules.ts'

interface Block {
  next: number
  end: number
}

export class NumberSource {
  readonly #engine: MetadataEngine
  readonly #blocks = new Map<CounterName, Block>()

  constructor(engine: MetadataEngine) {
    this.#engine = engine
  }

  next(name: CounterName): number {
    let block = this.#blocks.get(name)
    if (block === undefined || block.next === block.end) {
      const first = this.#engine.write('reserveNumbers', name, volumeLimits.numberBlock)
      block = { next: first, end: first + volumeLimits.numberBlock }
      this.#blocks.set(name, block)
    }
    return block.next++
  }
}
