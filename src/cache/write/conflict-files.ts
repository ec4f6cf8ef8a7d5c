/**
 * Keeps writes of this node that a commit of another node has overtaken. They are no longer part of
 * the file and are copied to a separate file in the cache's folder, for people to inspect.
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { makePrivateFolder } from '../../base/private-folder.ts'
import type { BackingFiles } from '../../tiers/nvme/backing-files.ts'
import type { LostChunks } from '../checks/lost-chunks.ts'
import type { CacheSettings } from '../state/cache-settings.ts'
import type { ChunkIndex } from '../state/chunk-index.ts'
import { DIRTY, PENDING, type ChunkTable } from '../state/chunk-table.ts'
import type { CurrentContent } from '../state/current-content.ts'

export interface ConflictFilesParts {
  settings: CacheSettings
  chunks: ChunkTable
  files: BackingFiles
  index: ChunkIndex
  content: CurrentContent
  lost: LostChunks
}

/**
 * Copies all bytes of the file on this node, as this node sees it; absent chunks become holes.
 * Returns the path of the copy; undefined if the metadata has everything that was written. Call
 * under the lock of the inode.
 */
export function keepConflict(
  parts: ConflictFilesParts,
  ino: number,
  name: string,
): string | undefined {
  const { chunks, files, index, settings, content, lost } = parts
  const rows = chunks.from(ino, 0, Number.MAX_SAFE_INTEGER)
  const isOwn = rows.some(({ state, index: at, id }) => {
    return state === DIRTY || (state === PENDING && index.find(ino, at)?.id !== id)
  })
  if (!isOwn) return undefined
  lost.settleShort(ino)
  const size = content.size(ino)
  const folder = join(settings.directory, 'conflicts')
  makePrivateFolder(folder)
  const path = join(folder, `${ino}-${Date.now()}-${name}`)
  const fd = openSync(path, 'wx', 0o600)
  try {
    for (const { index: at } of rows) {
      const start = at * settings.chunkSize
      files.copyTo(fd, start, ino, start, content.extent(at, size))
    }
    ftruncateSync(fd, size)
  } finally {
    closeSync(fd)
  }
  return path
}
