/**
 * How long an object is, as the headers of an answer say it. A store that does not say so cannot
 * be read from: an answer that was cut off would look whole.
 */
import { FsError } from '../../base/fs-error.ts'

export function announcedSize(contentLength: number | undefined): number {
  if (contentLength !== undefined) return contentLength
  throw new FsError('EIO', 'the store did not say how long the object is')
}

/** The size of the whole object, from the answer to a range: `bytes 0-99/1234`. */
export function sizeInRange(contentRange: string | undefined): number {
  const size = /\/(\d+)$/.exec(contentRange ?? '')?.[1]
  if (size === undefined) throw new FsError('EIO', 'the store did not answer with the range')
  return Number(size)
}
