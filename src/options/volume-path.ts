/**
 * The path in the volume that a user means: a local path under the mount point (relative ones
 * count from the current folder, as everywhere), or else a path in the volume itself.
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

/** Through the links of its folder; the last name stays, a link in the volume is what is asked. */
async function followFolder(path: string): Promise<string> {
  return join(await follow(dirname(path)), basename(path))
}

async function follow(path: string): Promise<string> {
  return await realpath(path).catch(() => path)
}
