/**
 * What was written on this node and overtaken by a commit of another one: it has no place in the
 * file any more, and goes into a file of its own under the cache's folder, for people to look at.
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { makePrivateFolder } from '../../base/private-folder.ts'
import { settleShort } from '../checks/lost-chunks.ts'
import { DIRTY, PENDING } from '../state/node-database.ts'
import type { NodeCache } from '../state/node-cache.ts'

/**
 * Copies all that is here of the file as this node sees it; what is not here is a hole. The path of
 * the copy; undefined: nothing was written that the metadata does not have. Under the inode's lock.
 */
export function keepConflict(cache: NodeCache, ino: number, name: string): string | undefined {
  const { database, files, index, settings } = cache
  const rows = database.chunksFrom(ino, 0, Number.MAX_SAFE_INTEGER)
  const isOwn = rows.some(({ state, index: at, id }) => {
    return state === DIRTY || (state === PENDING && index.find(ino, at)?.id !== id)
  })
  if (!isOwn) return undefined
  settleShort(cache, ino)
  const size = cache.sizeOf(ino)
  const folder = join(settings.directory, 'conflicts')
  makePrivateFolder(folder)
  const path = join(folder, `${ino}-${Date.now()}-${name}`)
  const fd = openSync(path, 'wx', 0o600)
  try {
    for (const { index: at } of rows) {
      const start = at * settings.chunkSize
      files.copyTo(fd, start, ino, start, cache.extent(at, size))
    }
    ftruncateSync(fd, size)
  } finally {
    closeSync(fd)
  }
  return path
}
