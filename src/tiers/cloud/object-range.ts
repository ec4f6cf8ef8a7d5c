/**
 * Byte range of a read. A read returns exactly this range or throws: a range that ends past the end
 * of the object is EINVAL, because its caller expects another object.
 */
import { FsError } from '../../base/fs-error.ts'
import { tiersLimits } from '../limits.ts'
import type { ReadOptions } from '../tier-storage.ts'

export class ObjectRange {
  readonly offset: number
  /** Undefined: up to the end of the object. */
  readonly length: number | undefined

  constructor({ offset = 0, length }: ReadOptions) {
    const isValid = isCount(offset) && (length === undefined || isCount(length))
    if (!isValid) throw new FsError('EINVAL', `invalid range: offset ${offset}, length ${length}`)
    this.offset = offset
    this.length = length
    if (length !== undefined) checkSize(length)
  }

  /** The range is the whole object, so the data can be checked against the object's checksum. */
  get isWhole(): boolean {
    return this.offset === 0 && this.length === undefined
  }

  /** HTTP cannot express an empty range. */
  get isEmpty(): boolean {
    return this.length === 0
  }

  /** Value of the HTTP Range header; undefined for the whole object. */
  get header(): string | undefined {
    if (this.isWhole) return undefined
    const last = this.length === undefined ? '' : this.offset + this.length - 1
    return `bytes=${this.offset}-${last}`
  }

  /** Length of the range in an object of `size` bytes; EINVAL if the object is smaller. */
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

/** An object is held in memory whole; a larger one must be read in ranges. */
export function checkSize(bytes: number): void {
  if (bytes <= tiersLimits.objectBytes) return
  throw new FsError(
    'EINVAL',
    `${bytes} bytes exceed the limit of ${tiersLimits.objectBytes} per object`,
  )
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
