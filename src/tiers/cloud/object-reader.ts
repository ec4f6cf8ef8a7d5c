/**
 * Reads of a store that gives objects, and ranges of them, by HTTP: what a range comes to, and what
 * is checked, is the same whatever the store. It says only how it gets a range.
 */
import type { Readable } from 'node:stream'
import { memoryOf } from '../../base/buffer-pool.ts'
import { limits } from '../../limits.ts'
import type { CallOptions, RangeOptions, ReadOptions } from '../tier-storage.ts'
import { CheckedRange } from './block-checksums.ts'
import type { CallDeadline } from './call-deadline.ts'
import type { CloudCaller } from './cloud-caller.ts'
import { collect } from './object-body.ts'
import { checkCrc32, storedCrc32 } from './object-digest.ts'
import { checkKey } from './object-key.ts'
import { ObjectRange } from './object-range.ts'
import { announcedSize, sizeInRange } from './object-size.ts'

/** What a store answers before the bytes come. */
export interface ObjectAnswer {
  body: Readable | undefined
  contentLength: number | undefined
  contentRange: string | undefined
  metadata: Record<string, string> | undefined
}

export interface ObjectReaderParts {
  caller: CloudCaller
  /** One request. */
  get: (key: string, range: ObjectRange, deadline: CallDeadline) => Promise<ObjectAnswer>
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
    const what = { verb: 'read', key, signal: options.signal, callMs: limits.cloudReadMs }
    return await this.#parts.caller.call(what, async (deadline) => {
      const { data } = await this.#take(key, range, deadline, options)
      return data
    })
  }

  /** As TierStorage.readRange. */
  async readRange(key: string, options: RangeOptions): Promise<Buffer> {
    checkKey(key)
    const range = new CheckedRange(options)
    const what = { verb: 'read', key, signal: options.signal, callMs: limits.cloudReadMs }
    return await this.#parts.caller.call(what, async (deadline) => {
      const { data, metadata } = await this.#take(key, range.blocks, deadline, {})
      return range.checked(data, metadata)
    })
  }

  /** A whole object, checked, as a part of a call that is under way. */
  async readBack(key: string, deadline: CallDeadline): Promise<Buffer> {
    const { data } = await this.#take(key, new ObjectRange({}), deadline, {})
    return data
  }

  async #take(
    key: string,
    range: ObjectRange,
    deadline: CallDeadline,
    { into, unchecked = false }: ReadOptions,
  ): Promise<ReadObject> {
    const answer = await this.#parts.get(key, range, deadline)
    const { body, contentLength, contentRange, metadata } = answer
    try {
      const size = range.isWhole ? announcedSize(contentLength) : sizeInRange(contentRange)
      const length = range.lengthWithin(size)
      deadline.allow(length)
      const memory = memoryOf(length, into)
      const data = body === undefined ? Buffer.alloc(0) : await collect(body, memory)
      if (range.isWhole && !unchecked) checkCrc32(data, storedCrc32(metadata))
      return { data, metadata }
    } finally {
      // A body left unread would hold its socket.
      body?.destroy()
    }
  }
}

/** What came, and what is stored beside it. */
interface ReadObject {
  data: Buffer
  metadata: ObjectAnswer['metadata']
}
