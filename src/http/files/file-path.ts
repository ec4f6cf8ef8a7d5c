/**
 * The path of a file in a URL, as text. Percent escapes are decoded once, per segment, as strict
 * UTF-8: what decodes to a slash, a NUL byte, `.` or `..` is refused, so that no spelling leads out
 * of the volume or to another file than its plain spelling does. It is read from the request as it
 * came, not from what the router made of it.
 */
import { FsError } from '../../base/fs-error.ts'
import { baseLimits } from '../../base/limits.ts'
import { filesystemLimits } from '../../filesystem/limits.ts'

/** Absolute path of what stands after `prefix` in a request target. */
export function filePath(target: string, prefix: string): string {
  const segments = segmentsAfter(target, prefix)
  // One slash at the end names the same directory; `//` in the middle is a mistake.
  if (segments.at(-1) === '') segments.pop()
  return joined(segments.map(decodeSegment))
}

/** Whether it ends in a slash: then it can only be a directory. */
export function namesDirectory(target: string): boolean {
  return pathOf(target).endsWith('/')
}

/** A path in the body of a request, which has nothing to decode; the same rules hold. */
export function checkPath(path: string): string {
  const names = path.replace(/^\//, '').split('/')
  if (names.at(-1) === '') names.pop()
  return joined(names.map(checkName))
}

function segmentsAfter(target: string, prefix: string): string[] {
  const path = pathOf(target)
  // The router also takes escapes in the part before: then the rest starts elsewhere.
  if (!path.startsWith(prefix)) throw new FsError('EINVAL', `write ${prefix} without escapes`)
  return path.slice(prefix.length).split('/')
}

/** Without the query, and without scheme and host (which proxies send, RFC 9112 section 3.2.2). */
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
