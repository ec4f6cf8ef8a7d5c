/**
 * Reads of a store that gives objects, and ranges of them, by HTTP: what a range comes to, and what
 * is checked, is the same whatever the store. It says only how it gets a range.
 */
import { limits } from '../../limits.ts'
import type { CallOptions, RangeOptions, ReadOptions } from '../tier-storage.ts'
import { CheckedRange } from './block-checksums.ts'
import type { CallDeadline } from './call-deadline.ts'
import type { CloudCaller } from './cloud-caller.ts'
import type { ReadObject } from './object-body.ts'
import { checkCrc32, storedCrc32 } from './object-digest.ts'
import { checkKey } from './object-key.ts'
import { ObjectRange } from './object-range.ts'

export interface ObjectReaderParts {
  caller: CloudCaller
  /** One request. */
  get: (
    key: string,
    range: ObjectRange,
    deadline: CallDeadline,
    into?: Buffer,
  ) => Promise<ReadObject>
  size: (key: string, options: CallOptions) => Promise<number>
}

export class ObjectReader {
  readonly #parts: ObjectReaderParts

  constructor(parts: ObjectReaderParts) {
    this.#parts = parts
  }

  /** As TierStorage.read. */
  async read(key: string, options: ReadOptions): Promise<Buffer> {
    checkKey(key)
    const range = new ObjectRange(options)
    if (range.isEmpty || (range.offset > 0 && range.length === undefined)) {
      // A range of nothing, or possibly so: the store would refuse it like one past the end.
      const length = range.lengthWithin(await this.#parts.size(key, options))
      if (length === 0) return Buffer.alloc(0)
    }
    const { caller, get } = this.#parts
    const what = { verb: 'read', key, signal: options.signal, callMs: limits.cloudReadMs }
    return await caller.call(what, async (deadline) => {
      const { data, metadata } = await get(key, range, deadline, options.into)
      if (range.isWhole && options.unchecked !== true) checkCrc32(data, storedCrc32(metadata))
      return data
    })
  }

  /** As TierStorage.readRange. */
  async readRange(key: string, options: RangeOptions): Promise<Buffer> {
    checkKey(key)
    const range = new CheckedRange(options)
    const { caller, get } = this.#parts
    const what = { verb: 'read', key, signal: options.signal, callMs: limits.cloudReadMs }
    return await caller.call(what, async (deadline) => {
      const { data, metadata } = await get(key, range.blocks, deadline)
      return range.checked(data, metadata)
    })
  }
}
