/**
 * Validates object keys: slash-separated parts of `[A-Za-z0-9._-]`, none of them empty, `.` or
 * `..`. Such a key means the same in a bucket, a container and a directory, needs no escaping in
 * any of them, and cannot lead out of a directory. An object whose name is not a valid key belongs
 * to another program: listings skip it.
 */
import { FsError } from '../../base/fs-error.ts'
import { baseLimits } from '../../base/limits.ts'
import { tiersLimits } from '../limits.ts'

const PART = /^[A-Za-z0-9._-]+$/

export function isKey(key: string): boolean {
  return complaintAbout(key, tiersLimits.objectKeyBytes) === undefined
}

/** Throws EINVAL if `key` is not valid. */
export function checkKey(key: string): void {
  const complaint = complaintAbout(key, tiersLimits.objectKeyBytes)
  if (complaint !== undefined) throw invalid('key', key, complaint)
}

/** Throws EINVAL unless `prefix` is empty or a valid key can start with it. */
export function checkListPrefix(prefix: string): void {
  if (prefix === '' || isKey(prefix)) return
  // `chunks/` and `chunks/.` are no keys, but keys can start with them.
  const complaint = complaintAbout(`${prefix}_`, tiersLimits.objectKeyBytes)
  if (complaint !== undefined) throw invalid('prefix', prefix, complaint)
}

/** Common prefix of all keys of a tier: `''`, or parts that end with a slash. */
export function folderOf(prefix: string | undefined): string {
  const bare = (prefix ?? '').replaceAll(/^\/+|\/+$/g, '')
  if (bare === '') return ''
  const complaint = complaintAbout(bare, tiersLimits.objectPrefixBytes)
  if (complaint !== undefined) throw invalid('prefix', prefix ?? '', complaint)
  return `${bare}/`
}

function invalid(what: string, text: string, complaint: string): FsError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}...` : text
  return new FsError('EINVAL', `${JSON.stringify(shown)} is not a valid ${what}: ${complaint}`)
}

function complaintAbout(key: string, bytesMax: number): string | undefined {
  if (key.length > bytesMax) return `it is longer than ${bytesMax} bytes`
  for (const part of key.split('/')) {
    if (part === '') return 'a part between slashes is empty'
    if (part === '.' || part === '..') return `a part is ${part}`
    if (part.length > baseLimits.nameBytes)
      return `a part is longer than ${baseLimits.nameBytes} bytes`
    if (!PART.test(part)) return 'it may contain only letters, digits, and . - _ between slashes'
  }
  return undefined
}
