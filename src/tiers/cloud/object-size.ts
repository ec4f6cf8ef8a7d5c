/**
 * Size of an object from the headers of a response. A store that does not send it cannot be used: a
 * truncated response would look complete.
 */
import { FsError } from '../../base/fs-error.ts'

export function announcedSize(contentLength: number | undefined): number {
  if (contentLength !== undefined) return contentLength
  throw new FsError('EIO', 'the store sent no content length')
}

/** Size of the whole object, from the Content-Range of a ranged read: `bytes 0-99/1234`. */
export function sizeInRange(contentRange: string | undefined): number {
  const size = /\/(\d+)$/.exec(contentRange ?? '')?.[1]
  if (size === undefined) throw new FsError('EIO', 'the store sent no content range')
  return Number(size)
}
