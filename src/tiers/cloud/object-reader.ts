/**
 * Reads objects and ranges of a store over HTTP. Range arithmetic and checksum verification are the
 * same for every store; a store supplies only the function that requests a range.
 */
import type { Readable } from 'node:stream'
import { memoryOf } from '../../base/buffer-pool.ts'
import { tiersLimits } from '../limits.ts'
import type { CallOptions, RangeOptions, ReadOptions } from '../tier-storage.ts'
import { CheckedRange } from './block-checksums.ts'
import type { CallDeadline } from './call-deadline.ts'
import type { CloudCaller } from './cloud-caller.ts'
import { collect } from './object-body.ts'
import { checkCrc32, storedCrc32 } from './object-digest.ts'
import { checkKey } from './object-key.ts'
import { ObjectRange } from './object-range.ts'
import { announcedSize, sizeInRange } from './object-size.ts'

/** Response of a store; its body has not been read yet. */
export interface ObjectAnswer {
  body: Readable | undefined
  contentLength: number | undefined
  contentRange: string | undefined
  metadata: Record<string, string> | undefined
}

export interface ObjectReaderParts {
  caller: CloudCaller
  /** Sends one request. */
  get: (key: string, range: ObjectRange, deadline: CallDeadline) => Promise<ObjectAnswer>
  size: (key: string, options: CallOptions) => Promise<number>
}

export class ObjectReader {
  readonly #parts: ObjectReaderParts

  constructor(parts: ObjectReaderParts) {
    this.#parts = parts
  }

  /** See TierStorage.read. */
  async read(key: string, options: ReadOptions): Promise<Buffer> {
    checkKey(key)
    const range = new ObjectRange(options)
    if (range.isEmpty || (range.offset > 0 && range.length === undefined)) {
      // An empty range (or one that may be): a store rejects it like a range past the end.
      const length = range.lengthWithin(await this.#parts.size(key, options))
      if (length === 0) return Buffer.alloc(0)
    }
    const what = { verb: 'read', key, signal: options.signal, callMs: tiersLimits.cloudReadMs }
    return await this.#parts.caller.call(what, async (deadline) => {
      const { data } = await this.#take(key, range, deadline, options)
      return data
    })
  }

  /** See TierStorage.readRange. */
  async readRange(key: string, options: RangeOptions): Promise<Buffer> {
    checkKey(key)
    const range = new CheckedRange(options)
    const what = { verb: 'read', key, signal: options.signal, callMs: tiersLimits.cloudReadMs }
    return await this.#parts.caller.call(what, async (deadline) => {
      const { data, metadata } = await this.#take(key, range.blocks, deadline, {})
      return range.checked(data, metadata)
    })
  }

  /** Reads and checks a whole object within a call that is already in progress. */
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
      // An unread body would occupy its socket.
      body?.destroy()
    }
  }
}

/** Data of an object and its metadata. */
interface ReadObject {
  data: Buffer
  metadata: ObjectAnswer['metadata']
}
