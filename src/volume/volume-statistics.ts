/** What statvfs(3) tells of a volume: what it holds, and the room where its bytes go in the end. */
import { statfsSync } from 'node:fs'
import type { FileSystemStatistics } from '../filesystem/inode-file-system.ts'
import { baseLimits } from '../base/limits.ts'
import type { Totals } from '../metadata/volume-rules.ts'

const BLOCK_BYTES = 4096

/** `directory`: on the file system that bounds what can be stored. */
export function statisticsOf(totals: Totals, directory: string): FileSystemStatistics {
  const { bavail, bsize } = statfsSync(directory)
  const free = Math.floor((bavail * bsize) / BLOCK_BYTES)
  const used = Math.ceil(totals.bytes / BLOCK_BYTES)
  return {
    blockSize: BLOCK_BYTES,
    blocks: used + free,
    blocksFree: free,
    blocksAvailable: free,
    files: totals.files + free,
    filesFree: free,
    nameMax: baseLimits.nameBytes,
  }
}
