/**
 * Which bytes of an object a read asks for. A read answers exactly those or throws: a range that
 * reaches past the end is EINVAL, since whoever asks for it believes the object to be another one.
 */
import { FsError } from '../../base/fs-error.ts'
import { limits } from '../../limits.ts'
import type { ReadOptions } from '../tier-storage.ts'

export class ObjectRange {
  readonly offset: number
  /** Undefined: up to the end. */
  readonly length: number | undefined

  constructor({ offset = 0, length }: ReadOptions) {
    const isValid = isCount(offset) && (length === undefined || isCount(length))
    if (!isValid) throw new FsError('EINVAL', `no such range: offset ${offset}, length ${length}`)
    this.offset = offset
    this.length = length
    if (length !== undefined) checkSize(length)
  }

  /** Not a part but all of it: what can be checked against the object's checksum. */
  get isWhole(): boolean {
    return this.offset === 0 && this.length === undefined
  }

  /** No bytes at all, which HTTP has no words for. */
  get isEmpty(): boolean {
    return this.length === 0
  }

  /** As HTTP says it; undefined where the whole object is wanted. */
  get header(): string | undefined {
    if (this.isWhole) return undefined
    const last = this.length === undefined ? '' : this.offset + this.length - 1
    return `bytes=${this.offset}-${last}`
  }

  /** Bytes to read of an object of this size; EINVAL where it is smaller than the range. */
  lengthWithin(size: number): number {
    const length = this.length ?? size - this.offset
    if (length < 0 || this.offset + length > size) {
      const end = this.length === undefined ? 'on' : `up to ${this.offset + length}`
      throw new FsError('EINVAL', `bytes ${this.offset} ${end} of an object of ${size} bytes`)
    }
    checkSize(length)
    return length
  }
}

/** Objects are held in memory whole: a larger one has to be read in ranges. */
export function checkSize(bytes: number): void {
  if (bytes <= limits.objectBytes) return
  throw new FsError('EINVAL', `${bytes} bytes in one piece: the most is ${limits.objectBytes}`)
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
