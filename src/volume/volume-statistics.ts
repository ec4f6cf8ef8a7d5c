/** What statvfs(3) tells of a volume: what it holds, and the room where its bytes go in the end. */
import { statfsSync } from 'node:fs'
import type { SharedState } from '../cache/shared-state.ts'
import type { FileSystemStatistics } from '../filesystem/inode-file-system.ts'
import { limits } from '../limits.ts'

const BLOCK_BYTES = 4096

/** `directory`: on the file system that bounds what can be stored. */
export function statisticsOf(shared: SharedState, directory: string): FileSystemStatistics {
  const { bavail, bsize } = statfsSync(directory)
  const free = Math.floor((bavail * bsize) / BLOCK_BYTES)
  const used = Math.ceil(shared.counter('volumeBytes') / BLOCK_BYTES)
  return {
    blockSize: BLOCK_BYTES,
    blocks: used + free,
    blocksFree: free,
    blocksAvailable: free,
    files: shared.counter('volumeFiles') + free,
    filesFree: free,
    nameMax: limits.nameBytes,
  }
}
