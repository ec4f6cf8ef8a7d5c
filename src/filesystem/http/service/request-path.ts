/**
 * The path of a file in a URL. Percent escapes are decoded once, per segment, as strict UTF-8. A
 * segment that decodes to a slash, a NUL byte, `.` or `..` is refused, so no spelling leads out of
 * the volume, or to another file than the plain spelling does. The path is read from the raw
 * request target, not from the router's result.
 */
import { FsError } from '../../../base/fs-error.ts'
import { baseLimits } from '../../../base/limits.ts'
import { filesystemLimits } from '../../limits.ts'

/** Absolute path from the part of a request target after `prefix`. */
export function filePath(target: string, prefix: string): string {
  const segments = segmentsAfter(target, prefix)
  // One trailing slash names the same directory; `//` in the middle is an error.
  if (segments.at(-1) === '') segments.pop()
  return joined(segments.map(decodeSegment))
}

/** Whether the path ends in a slash and so can only be a directory. */
export function namesDirectory(target: string): boolean {
  return pathOf(target).endsWith('/')
}

/** Checks a path from a request body: the same rules, without decoding. */
export function checkPath(path: string): string {
  const names = path.replace(/^\//, '').split('/')
  if (names.at(-1) === '') names.pop()
  return joined(names.map(checkName))
}

function segmentsAfter(target: string, prefix: string): string[] {
  const path = pathOf(target)
  // The router also accepts escapes in the prefix; the offset would then be wrong.
  if (!path.startsWith(prefix)) throw new FsError('EINVAL', `write ${prefix} without escapes`)
  return path.slice(prefix.length).split('/')
}

/** Without query, scheme and host (proxies send the latter two, RFC 9112 section 3.2.2). */
function pathOf(target: string): string {
  return (target.split(/[?#]/, 1)[0] ?? '').replace(/^https?:\/\/[^/]*/i, '')
}

function joined(names: readonly string[]): string {
  const result = `/${names.join('/')}`
  if (Buffer.byteLength(result) >= filesystemLimits.pathBytes) {
    throw new FsError('ENAMETOOLONG', `a path has at most ${filesystemLimits.pathBytes - 1} bytes`)
  }
  return result
}

function decodeSegment(segment: string): string {
  let name: string
  try {
    name = decodeURIComponent(segment)
  } catch (cause) {
    throw new FsError('EINVAL', 'the path has escapes that are no UTF-8', { cause })
  }
  return checkName(name)
}

function checkName(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    throw new FsError(
      'EINVAL',
      'a path has no empty, "." or ".." part, no NUL and no escaped slash',
    )
  }
  if (Buffer.byteLength(name) > baseLimits.nameBytes) {
    throw new FsError('ENAMETOOLONG', `a name has at most ${baseLimits.nameBytes} bytes`)
  }
  return name
}
