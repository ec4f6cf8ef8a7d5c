/**
 * What may be a key: slash-separated parts of `[A-Za-z0-9._-]`, none of them empty, `.` or `..`.
 * Such a key means the same in a bucket, a container and a directory, needs no escaping in any of
 * them, and cannot lead out of a directory. Objects that others put under names which are no keys
 * are not ours: listings pass over them.
 */
import { FsError } from '../../base/fs-error.ts'
import { limits } from '../../limits.ts'

const PART = /^[A-Za-z0-9._-]+$/

export function isKey(key: string): boolean {
  return complaintAbout(key, limits.objectKeyBytes) === undefined
}

/** EINVAL where it is no key. */
export function checkKey(key: string): void {
  const complaint = complaintAbout(key, limits.objectKeyBytes)
  if (complaint !== undefined) throw invalid('key', key, complaint)
}

/** The start of keys: nothing, or anything that a key can begin with. */
export function checkListPrefix(prefix: string): void {
  if (prefix === '' || isKey(prefix)) return
  // `chunks/` and `chunks/.` begin keys though they are none.
  const complaint = complaintAbout(`${prefix}_`, limits.objectKeyBytes)
  if (complaint !== undefined) throw invalid('prefix', prefix, complaint)
}

/** The folder that all keys of a tier live under: `''`, or parts with a slash at the end. */
export function folderOf(prefix: string | undefined): string {
  const bare = (prefix ?? '').replaceAll(/^\/+|\/+$/g, '')
  if (bare === '') return ''
  const complaint = complaintAbout(bare, limits.objectPrefixBytes)
  if (complaint !== undefined) throw invalid('prefix', prefix ?? '', complaint)
  return `${bare}/`
}

function invalid(what: string, text: string, complaint: string): FsError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}...` : text
  return new FsError('EINVAL', `${JSON.stringify(shown)} cannot be a ${what}: ${complaint}`)
}

function complaintAbout(key: string, bytesMax: number): string | undefined {
  if (key.length > bytesMax) return `it is longer than ${bytesMax} bytes`
  for (const part of key.split('/')) {
    if (part === '') return 'a part between slashes is empty'
    if (part === '.' || part === '..') return `${part} is no name`
    if (part.length > limits.nameBytes) return `a part is longer than ${limits.nameBytes} bytes`
    if (!PART.test(part)) return 'only letters, digits, dot, dash and underscore make a name'
  }
  return undefined
}
