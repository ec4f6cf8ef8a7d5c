/**
 * The path of a file in a URL, as text. Percent escapes are decoded once, per segment, as strict
 * UTF-8: what decodes to a slash, a NUL byte, `.` or `..` is refused, so that no spelling leads out
 * of the volume or to another file than its plain spelling does.
 */
import { FsError } from '../base/fs-error.ts'
import { limits } from '../limits.ts'

/** Absolute path of what stands after `prefix` in a request target. */
export function filePath(target: string, prefix: string): string {
  const path = target.split('?', 1)[0] ?? ''
  const segments = path.slice(prefix.length).split('/')
  // One slash at the end names the same directory; `//` in the middle is a mistake.
  if (segments.at(-1) === '') segments.pop()
  const result = `/${segments.map(decodeSegment).join('/')}`
  if (Buffer.byteLength(result) >= limits.pathBytes) {
    throw new FsError('ENAMETOOLONG', `a path has at most ${limits.pathBytes - 1} bytes`)
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
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    throw new FsError(
      'EINVAL',
      'a path has no empty, "." or ".." part, no NUL and no escaped slash',
    )
  }
  if (Buffer.byteLength(name) > limits.nameBytes) {
    throw new FsError('ENAMETOOLONG', `a name has at most ${limits.nameBytes} bytes`)
  }
  return name
}
