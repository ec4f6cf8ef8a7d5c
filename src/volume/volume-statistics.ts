/**
 * Results of statvfs(3) for a volume: its content, and the free space where its bytes are stored.
 */
import { statfsSync } from 'node:fs'
import type { FileSystemStatistics } from '../filesystem/inode-file-system.ts'
import { baseLimits } from '../base/limits.ts'
import type { Totals } from '../metadata/volume-rules.ts'

const BLOCK_BYTES = 4096

/** `directory`: a path on the file system that bounds what can be stored. */
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
