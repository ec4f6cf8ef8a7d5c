/**
 * Paths inside a file system: absolute, separated by slashes, without `.`, `..` or empty parts.
 * Paths from callers are normalized first; `..` stops at the root, so no path leads out.
 * `node:path` is not used, because browsers do not have it.
 */
import { FsError } from '../base/fs-error.ts'
import { baseLimits } from '../base/limits.ts'
import { filesystemLimits } from './limits.ts'

const encoder = new TextEncoder()

/** The normalized path; throws if it is invalid. */
export function normalize(path: unknown, syscall?: string): string {
  const text = asText(path, syscall)
  if (text.includes('\0')) throw new FsError('EINVAL', 'a path must not contain NUL', { syscall })
  const names: string[] = []
  for (const name of text.split('/')) {
    if (name === '' || name === '.') continue
    if (name === '..') names.pop()
    else names.push(checkName(name, syscall))
  }
  const result = `/${names.join('/')}`
  if (
    result.length * 3 < filesystemLimits.pathBytes ||
    encoder.encode(result).length < filesystemLimits.pathBytes
  ) {
    return result
  }
  const message = `a path has at most ${filesystemLimits.pathBytes - 1} bytes`
  throw new FsError('ENAMETOOLONG', message, { syscall })
}

function asText(path: unknown, syscall: string | undefined): string {
  if (path instanceof Uint8Array) return new TextDecoder().decode(path)
  if (typeof path === 'string' && path !== '') return path
  const code = path === '' ? 'ENOENT' : 'EINVAL'
  throw new FsError(code, `a path must be text, not ${path === '' ? 'empty' : typeof path}`, {
    syscall,
  })
}

function checkName(name: string, syscall: string | undefined): string {
  if (
    name.length * 3 <= baseLimits.nameBytes ||
    encoder.encode(name).length <= baseLimits.nameBytes
  ) {
    return name
  }
  const message = `a name has at most ${baseLimits.nameBytes} bytes`
  throw new FsError('ENAMETOOLONG', message, { syscall })
}

/** Whether a path can contain this name; names in a remote store may be invalid. */
export function isName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) return false
  return (
    name.length * 3 <= baseLimits.nameBytes || encoder.encode(name).length <= baseLimits.nameBytes
  )
}

export function namesOf(path: string): string[] {
  return path === '/' ? [] : path.slice(1).split('/')
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

export function childOf(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`
}
