/**
 * Makes a folder and those above it, and says which was made first (the top one), since that is
 * where syncing to disk has to begin. Node's own `recursive` never ends where a file system answers
 * ENOENT to every mkdir (procfs, some automounters): here each folder is tried twice at most.
 */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from '../../../base/fs-error.ts'

/** The topmost folder that was made; undefined where all were there. */
export async function makeFolders(path: string): Promise<string | undefined> {
  try {
    await mkdir(path)
    return path
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      await checkFolder(path, error)
      return undefined
    }
    if (codeOf(error) !== 'ENOENT') throw error
  }
  const top = await makeFolders(dirname(path))
  try {
    await mkdir(path)
    return top ?? path
  } catch (error) {
    // Somebody else made it at the same time.
    if (codeOf(error) !== 'EEXIST') throw error
    await checkFolder(path, error)
    return top
  }
}

async function checkFolder(path: string, error: unknown): Promise<void> {
  if (!(await stat(path)).isDirectory()) throw error
}
