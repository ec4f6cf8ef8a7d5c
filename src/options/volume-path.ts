/**
 * Converts a path that a user typed to a path in the volume: a local path under the mount point
 * (relative to the current folder), or else a path in the volume.
 */
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, posix, resolve, sep } from 'node:path'

export async function volumePath(text: string, mountPoint: string): Promise<string> {
  const asGiven = below(resolve(text), mountPoint)
  if (asGiven !== undefined) return asGiven
  const followed = below(await followFolder(resolve(text)), await follow(mountPoint))
  return followed ?? posix.resolve('/', text)
}

function below(path: string, folder: string): string | undefined {
  if (path === folder) return '/'
  return path.startsWith(folder + sep) ? path.slice(folder.length) : undefined
}

/**
 * Resolves links in the folder but not in the last name: a link in the volume is itself the target.
 */
async function followFolder(path: string): Promise<string> {
  return join(await follow(dirname(path)), basename(path))
}

async function follow(path: string): Promise<string> {
  return await realpath(path).catch(() => path)
}
